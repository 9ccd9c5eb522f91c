"""What a fine-tuned encoder says of itself: where it comes from, and which texts it was trained on.

The texts stand there as digests, so that whoever judges the encoder can leave them out, and nobody can read them.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from ..errors import EncoderError

__all__ = ["RECORD", "Tuned", "read_tuned", "text_digest", "write_tuned"]

RECORD: Final = "nearclass_tuning.json"
"""Name of the file in the model's folder."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """How an encoder was fine-tuned.

    Attributes:
        source: The encoder it was made of, as a user names it.
        source_fingerprint: Of its space.
        seed: Of the training.
        labels: How many it was trained on.
        held_out: How many others it was measured on.
        accuracy_before: On those, of what is learnt with the encoder it was made of.
        accuracy_after: Of what is learnt with this one.
        texts: SHA-256 digests of the canonical texts it was trained on, sorted.
    """

    source: str
    source_fingerprint: str
    seed: int
    labels: int
    held_out: int
    accuracy_before: float
    accuracy_after: float
    texts: tuple[str, ...]


def text_digest(text: str) -> str:
    """SHA-256 of a canonical text, 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def write_tuned(folder: Path, tuned: Tuned) -> None:
    """Put the record into a model's folder."""
    (folder / RECORD).write_text(json.dumps(asdict(tuned), indent=1) + "\n", encoding="utf-8")


def read_tuned(folder: Path) -> Tuned | None:
    """The record of a model's folder; None where the model was not fine-tuned here.

    Raises:
        EncoderError: The record is damaged, so that nobody can tell what the encoder was trained on.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        found = Tuned(**{field.name: data[field.name] for field in fields(Tuned)})
        texts = tuple(str(digest) for digest in found.texts)
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"cannot read {path}: {type(error).__name__}: {error}"
        raise EncoderError(
            message, hint="Without it nobody knows what the encoder was trained on; tune anew."
        ) from error
    return Tuned(**{**asdict(found), "texts": texts})
