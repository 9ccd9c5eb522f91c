"""What is said of pictures: why one was not taken, and what becomes of one that was."""

from enum import StrEnum
from typing import Final

__all__ = ["DECODING", "DEFAULT_PROMPTS", "PictureCode", "kept_picture", "kept_reference", "prompt_problem"]

DECODING: Final = "rgb-8, upright, first frame, white behind, no colour profile"
"""What a file becomes before a model's own preprocessing; part of the fingerprint, because it changes vectors."""


DEFAULT_PROMPTS: Final = ("a photo of {}.", "{}")
"""What texts are put into before they are compared with pictures: a caption, the form of nearly all texts that such
encoders were trained on (Radford et al. 2021, section 3.1.4), and the bare text, for what is a caption already."""


class PictureCode(StrEnum):
    """Why a picture was not taken: its reference, its file, its address, its content."""

    BAD_REFERENCE = "bad_reference"
    PICTURE_OUTSIDE = "picture_outside"
    MISSING_PICTURE = "missing_picture"
    NOT_A_FILE = "not_a_file"
    UNREADABLE_PICTURE = "unreadable_picture"

    URL_REFUSED = "url_refused"
    FETCH_FAILED = "fetch_failed"

    PICTURE_TOO_LARGE = "picture_too_large"
    NOT_A_PICTURE = "not_a_picture"
    UNSUPPORTED_PICTURE = "unsupported_picture"
    DAMAGED_PICTURE = "damaged_picture"


def prompt_problem(prompt: str) -> str:
    """Why a text cannot be put into this prompt, in words; empty if it can.

    >>> prompt_problem("a photo of {}."), prompt_problem("a photo")
    ('', "the prompt 'a photo' has no {} for the text to stand in")
    """
    places = prompt.count("{}")
    if places == 1:
        return ""
    return f"the prompt {prompt!r} has {places or 'no'} {{}} for the text to stand in" + (
        "; it must have one" if places else ""
    )


def kept_picture(digest: str, reference: str) -> str:
    """How evidence keeps a picture beside its vector: the digest of its bytes, and where it was."""
    return f"{digest} {reference}"


def kept_reference(text: str) -> str:
    """Where a picture was that evidence keeps.

    >>> kept_reference(kept_picture("e3b0", "photos/my kettle.jpg"))
    'photos/my kettle.jpg'
    """
    return text.partition(" ")[2]
