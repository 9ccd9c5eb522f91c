"""Files of a model on disk: read as JSON, and digested."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Final

from ..errors import EncoderError

__all__ = ["file_digest", "json_digest", "read_json", "read_optional", "tokenizer_digest"]

_TOKENIZING: Final = {
    "tokenizer_config.json": (
        "add_bos_token", "add_eos_token", "add_prefix_space", "do_lower_case", "keep_accents", "legacy",
        "remove_space", "strip_accents", "tokenize_chinese_chars",
    ),
    "sentence_bert_config.json": ("do_lower_case",),
}  # fmt: skip
"""Keys by file that change what tokenizer.json does to a text; the rest are names and paths, and special tokens,
which it has too."""

_CHUNK: Final = 1 << 20


def json_digest(data: Any) -> str:
    """SHA-256 of JSON-able data, whatever the order of its keys; 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file of a model; a list comes under the key ``modules``.

    Raises:
        EncoderError: There is no such file, or it is not JSON.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"cannot read {path.name} of the model in {path.parent}: {error}"
        raise EncoderError(message, hint="Download the model again; the folder is incomplete.") from error
    return dict(data) if isinstance(data, dict) else {"modules": data}


def read_optional(path: Path) -> dict[str, Any]:
    """As ``read_json``, and empty where there is no such file."""
    return read_json(path) if path.is_file() else {}


def tokenizer_digest(folder: Path) -> str:
    """SHA-256 over what turns texts into tokens.

    Raises:
        EncoderError: The folder has no tokenizer.
    """
    names = ("tokenizer.json",) if (folder / "tokenizer.json").is_file() else (
        "vocab.txt", "vocab.json", "merges.txt", "sentencepiece.bpe.model", "spiece.model", "tokenizer.model",
    )  # fmt: skip
    found = [[name, file_digest(folder / name)] for name in names if (folder / name).is_file()]
    if not found:
        message = f"the model folder {folder} has no tokenizer"
        raise EncoderError(message, hint="Download the model again; tokenizer.json is missing.")
    settings = {name: read_optional(folder / name) for name in _TOKENIZING}
    chosen = [[name, key, settings[name].get(key)] for name, keys in _TOKENIZING.items() for key in keys]
    # Absent, null and, in the second file, false mean the same.
    given = [one for one in chosen if one[2] or (one[2] is False and one[0] == "tokenizer_config.json")]
    return json_digest([*found, *given])


def file_digest(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    # The hub cache names large files by their SHA-256, which saves reading gigabytes at every start.
    blob = path.resolve()
    if blob.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}", blob.name):
        return blob.name
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
