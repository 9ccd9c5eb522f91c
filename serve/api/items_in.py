"""Items as requests hold them, to items of the catalogue."""

from collections.abc import Sequence
from typing import Any

from ...errors import TaxonomyError
from ...ingest.labelled import Labelled
from ...schemas.records import Item
from ...schemas.taxonomy import Taxonomy
from ..uploads import Upload
from .bodies import ItemBody
from .job_bodies import LabelledBody

__all__ = ["items_of", "labelled_of"]


def items_of(bodies: Sequence[ItemBody], upload: Upload | None) -> tuple[Item, ...]:
    """The items; one without an id is named by its place, from 1. ``upload`` takes pictures, if there are any."""
    return tuple(_item(body, number, upload) for number, body in enumerate(bodies, 1))


def labelled_of(
    bodies: Sequence[LabelledBody], taxonomy: Taxonomy, upload: Upload
) -> tuple[list[Labelled], list[dict[str, Any]]]:
    """Labelled items, and those whose label names no class."""
    labelled: list[Labelled] = []
    errors: list[dict[str, Any]] = []
    for index, body in enumerate(bodies):
        names = [] if body.oos else body.labels or [body.label or ""]
        item = _item(body, index + 1, upload)
        try:
            labelled.append(Labelled(item, frozenset(taxonomy.find(name).id for name in names)))
        except TaxonomyError as error:
            errors.append({"index": index, "id": item.id, "code": "unknown_label", "message": error.message})
    return labelled, errors


def _item(body: ItemBody, number: int, upload: Upload | None) -> Item:
    image, folder = (None, None) if upload is None else upload.place(body.image)
    return Item(
        body.id or str(number),
        title=body.title,
        description=body.description,
        text=body.text,
        image=image,
        folder=folder,
        attributes=body.attributes,
    )
