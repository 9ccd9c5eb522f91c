"""Sets of labelled photos as arrays, by nearclass and by open_clip as one would call it by hand."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from common import Options, SkippedError

from labelled.sets import QUICK_ROWS, Floats, Rows, kept

if TYPE_CHECKING:
    from nearclass.learn.resolve import EvidenceText
    from nearclass.schemas.taxonomy import Taxonomy

PICTURED = ("images_grocery", "products_fashion_myntra")
BATCH = 64
WEIGHTS = {"name": 1.0, "parent": 0.3, "description": 0.3}
"""What the texts of a class count, written down once more for the peer: it shares no code with nearclass."""


class Model:
    """An encoder of pictures, and the same model in open_clip by hand, both in float32 unless bfloat16 is asked for."""

    def __init__(self, folder: Path) -> None:
        from nearclass.encoders.image import ImageEncoder
        from nearclass.encoders.image_model import describe_image
        from nearclass.encoders.image_resolve import resolve_image
        from nearclass.errors import EncoderError
        from nearclass.settings import Settings

        try:
            described = describe_image(resolve_image(f"local-dir:{folder}", offline=True))
        except EncoderError as error:
            raise SkippedError(f"{error.message}; give the folder of models with --models DIR") from error
        self.name = folder.name
        self.prompts = described.prompts
        self._bfloat16 = Settings().precision == "bfloat16"
        self.encoder = ImageEncoder(described, precision="bfloat16" if self._bfloat16 else "float32")
        self._folder = folder

    @cached_property
    def _peer(self) -> tuple[Any, Any, Any]:
        import open_clip

        name = f"local-dir:{self._folder}"
        model, _, preprocess = open_clip.create_model_and_transforms(name)
        return model.eval(), preprocess, open_clip.get_tokenizer(name)

    def pictures(self, files: Sequence[Path]) -> Floats:
        """Unit vectors of the files by nearclass, shape (n, d)."""
        return self._kept("nearclass", files, lambda: self.encoder.encode_pictures(self._prepared(files)))

    def pictures_by_hand(self, files: Sequence[Path]) -> Floats:
        """The same by open_clip."""
        return self._kept("open_clip", files, lambda: self._by_hand(files))

    def texts(self, texts: Sequence[str]) -> Floats:
        """Unit vectors of texts by nearclass, shape (n, d)."""
        from nearclass.schemas.records import Role

        return self.encoder.encode(texts, Role.CLASS).vectors

    def texts_by_hand(self, texts: Sequence[str]) -> Floats:
        """The same by open_clip: the mean over the prompts, of length 1."""
        import torch

        model, _, tokenizer = self._peer
        total = 0
        with torch.inference_mode(), self._arithmetic():
            for prompt in self.prompts:
                tokens = tokenizer([prompt.replace("{}", text) for text in texts])
                total = total + model.encode_text(tokens, normalize=True).float()
        return torch.nn.functional.normalize(total, dim=-1).numpy()

    def _by_hand(self, files: Sequence[Path]) -> Floats:
        import torch
        from PIL import Image

        model, preprocess, _ = self._peer
        found = []
        with torch.inference_mode(), self._arithmetic():
            for start in range(0, len(files), BATCH):
                batch = torch.stack([preprocess(Image.open(file)) for file in files[start : start + BATCH]])
                found.append(model.encode_image(batch, normalize=True).float().numpy())
        return np.concatenate(found)

    def _arithmetic(self) -> Any:
        import torch

        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=self._bfloat16)

    def _prepared(self, files: Sequence[Path]) -> "Iterator[Any]":
        from nearclass.pictures.load import PictureLoader, PictureSource

        with PictureLoader() as loader:
            sources = (PictureSource(file.name, file.parent) for file in files)
            yield from loader.prepare_all(loader.read_all(sources), self.encoder.prepare)

    def _kept(self, by: str, files: Sequence[Path], make: Callable[[], Floats]) -> Floats:
        by = f"{by} in bfloat16" if self._bfloat16 else by
        framed = "\x1e".join([by, self.encoder.space.fingerprint, *(f"{one} {one.stat().st_size}" for one in files)])
        return kept(framed, make)


@dataclass(frozen=True)
class PicturedSet:
    """Photos with classes.

    Attributes:
        name: Its folder.
        ids: The K classes that may be answered, sorted.
        evidence: The texts that speak for each.
        files: The photos.
        first: Place of the right class of each among ``ids``, shape (n,).
        splits: Part of the set that each belongs to.
        titles: Titles, empty where there are none.
        iconic: One picture for each class, or none.
        taxonomy: All classes.
    """

    name: str
    ids: list[str]
    evidence: "list[list[EvidenceText]]"
    files: list[Path]
    first: Rows
    splits: np.ndarray
    titles: list[str]
    iconic: list[Path]
    taxonomy: "Taxonomy"

    def judged(self) -> Rows:
        """Rows to judge where nothing is learnt: those of the set's own split, else all."""
        every = np.arange(len(self.files))
        return every[self.splits == "val"] if "val" in self.splits else every

    def draw(self, seed: int) -> tuple[Rows, Rows]:
        """Rows to learn from and rows to judge: the set's own split, else halves."""
        every = np.arange(len(self.files))
        if "val" in self.splits:
            return every[self.splits == "train"], every[self.splits == "val"]
        order = np.random.default_rng(seed).permutation(every)
        return np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])


def load_pictured(name: str, options: Options) -> PicturedSet:
    """Read a set.

    Raises:
        SkippedError: Its folder is not there.
    """
    from nearclass.ingest.class_files import open_classes
    from nearclass.learn.resolve import evidence_texts
    from nearclass.schemas.taxonomy import Taxonomy

    folder = options.folder(name)
    taxonomy = Taxonomy(open_classes(str(folder / "classes.jsonl"), Taxonomy([])).specs)
    ids = sorted(taxonomy.assignable())
    place = {class_id: at for at, class_id in enumerate(ids)}
    rows = [json.loads(line) for line in (folder / "items.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row.get("image") and row.get("label") in place]
    if options.quick:
        rows = rows[:: -(-len(rows) // QUICK_ROWS)]
    named = [json.loads(line) for line in (folder / "classes.jsonl").read_text(encoding="utf-8").splitlines()]
    iconic = {row["id"]: folder / row["iconic_image"] for row in named if row.get("iconic_image")}
    return PicturedSet(
        name,
        ids,
        [evidence_texts(taxonomy, class_id) for class_id in ids],
        [folder / row["image"] for row in rows],
        np.array([place[row["label"]] for row in rows]),
        np.array([row.get("split") or "" for row in rows]),
        [row.get("title") or row.get("text") or "" for row in rows],
        [iconic[class_id] for class_id in ids if class_id in iconic],
        taxonomy,
    )


def class_vectors(
    one: PicturedSet, model: Model, *, names_only: bool = False, pictures: Floats | None = None
) -> Floats:
    """Class vectors as a catalogue makes them, shape (K, d); with one picture a class, shape (K, d), if given."""
    from nearclass.learn.resolve import CAPTION_WEIGHTS, class_vector
    from nearclass.schemas.records import EvidenceKind

    texts = [of_class[:1] if names_only else of_class for of_class in one.evidence]
    distinct = list(dict.fromkeys(text.text for of_class in texts for text in of_class))
    encoded = dict(zip(distinct, model.texts(distinct), strict=True))
    found = []
    for at, of_class in enumerate(texts):
        kinds, vectors = [text.kind for text in of_class], [encoded[text.text] for text in of_class]
        if pictures is not None:
            kinds, vectors = [*kinds, EvidenceKind.PICTURE], [*vectors, pictures[at]]
        found.append(class_vector(kinds, np.stack(vectors), CAPTION_WEIGHTS))
    return np.stack(found)


def class_vectors_by_hand(one: PicturedSet, model: Model, *, names_only: bool = False) -> Floats:
    """The same by hand: the weighted sum of the vectors of the texts."""
    texts = [of_class[:1] if names_only else of_class for of_class in one.evidence]
    distinct = list(dict.fromkeys(text.text for of_class in texts for text in of_class))
    encoded = dict(zip(distinct, model.texts_by_hand(distinct), strict=True))
    total = [sum(WEIGHTS[text.kind] * encoded[text.text] for text in of_class) for of_class in texts]
    return np.stack([vector / np.linalg.norm(vector) for vector in total])
