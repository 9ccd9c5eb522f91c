"""A map of the stored items: near on it is what is near in the vector space, as well as two dimensions can show it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ..schemas.records import Decision
from ..schemas.taxonomy import Taxonomy

if TYPE_CHECKING:
    from ..catalog import Catalog

__all__ = ["Scatter", "scatter_of"]

_POINTS: Final = 2000
"""Items of a map: more take seconds to lay out, and cover each other."""

_FEWEST: Final = 12
_DIMENSIONS: Final = 30
_PERPLEXITY: Final = 30.0
_SIDE: Final = 1000
_NAMES: Final = 40
_COLOURS: Final = 24
_NAMED_ITEMS: Final = 3
_NAME_CHARS: Final = 28
_FIELDS: Final = ("item_id", "title", "text", "description", "image", "decision", "class_id", "confirmed_class")


@dataclass(frozen=True, slots=True)
class Scatter:
    """A map.

    Attributes:
        points: For each item x and y from 0 to 1000, the number of its class or -1, and 1 if it is novel.
        items: Of the same items id, title and the class they belong to.
        classes: x and y of the middle of a class that has a colour, its number and its name, the largest first.
        total: How many items are stored; of more than are shown, the map has a fair sample.
    """

    points: Sequence[tuple[int, int, int, int]]
    items: Sequence[tuple[str, str, str]]
    classes: Sequence[tuple[int, int, int, str]]
    total: int


def scatter_of(catalog: "Catalog") -> Scatter:
    """Lay out the stored items of a catalogue."""
    reader, taxonomy = catalog.items().reader, catalog.classes.taxonomy
    rows = reader.sample(("vector", *_FIELDS), _POINTS)
    total = len(rows) if len(rows) < _POINTS else reader.count()
    dim = max((len(row["vector"]) for row in rows), default=0)
    rows = [row for row in rows if len(row["vector"]) == dim]  # of pictures and texts those of the first space
    if len(rows) < _FEWEST:
        return Scatter([], [], [], total)
    places = _laid_out(np.stack([row["vector"] for row in rows]))
    belongs = [taxonomy.follow(row["confirmed_class"] or row["class_id"]) for row in rows]
    colours = _colours(belongs, taxonomy)
    points = [
        (int(x), int(y), colours.get(_group(one, taxonomy), -1), int(_is_novel(row)))
        for (x, y), one, row in zip(places.tolist(), belongs, rows, strict=True)
    ]
    items = [(row["item_id"], _title(row), one) for row, one in zip(rows, belongs, strict=True)]
    return Scatter(points, items, _names(places, belongs, taxonomy, colours), total)


def _laid_out(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Places on the map, shape (n, 2), from 0 to 1000.

    Source:
        van der Maaten and Hinton, Visualizing data using t-SNE, 2008, section 4.2: after a projection on 30 principal
        components.
    """
    from sklearn.decomposition import PCA  # noqa: PLC0415 - slow to import
    from sklearn.manifold import TSNE  # noqa: PLC0415

    count = len(vectors)
    width = min(_DIMENSIONS, count - 1, vectors.shape[1])
    reduced = PCA(width, random_state=0).fit_transform(vectors)
    perplexity = min(_PERPLEXITY, (count - 1) / 3)
    places = TSNE(2, perplexity=perplexity, init="pca", max_iter=500, random_state=0, n_jobs=1).fit_transform(reduced)
    low, high = places.min(axis=0), places.max(axis=0)
    return np.asarray(_SIDE * (places - low) / np.maximum(high - low, 1e-9), np.float64)


def _group(class_id: str, taxonomy: Taxonomy) -> str:
    """What gives an item its colour: the class above its own, or that where there is none."""
    if class_id not in taxonomy:
        return ""
    return taxonomy.parent(class_id) or class_id


def _colours(belongs: Sequence[str], taxonomy: Taxonomy) -> dict[str, int]:
    counted = Counter(_group(one, taxonomy) for one in belongs if one in taxonomy)
    return {one: number for number, (one, _) in enumerate(counted.most_common(_COLOURS))}


def _names(
    places: NDArray[np.float64], belongs: Sequence[str], taxonomy: Taxonomy, colours: dict[str, int]
) -> list[tuple[int, int, int, str]]:
    counted = Counter(one for one in belongs if one in taxonomy)
    found = []
    for class_id, count in counted.most_common(_NAMES):
        if count < _NAMED_ITEMS:
            break
        x, y = np.median(places[[at for at, one in enumerate(belongs) if one == class_id]], axis=0).tolist()
        colour = colours.get(_group(class_id, taxonomy), -1)
        found.append((int(x), int(y), colour, taxonomy[class_id].name[:_NAME_CHARS]))
    return found


def _is_novel(row: Any) -> bool:
    return row["decision"] == Decision.NOVEL.value and not row["confirmed_class"]


def _title(row: Any) -> str:
    return str(row["title"] or row["text"] or row["description"] or row["image"])[:160]
