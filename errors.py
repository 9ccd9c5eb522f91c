"""Every error nearclass raises on purpose, as one tree.

A message says what happened, where, and why; ``hint`` says what to type next. ``exit_code`` is what the command
returns, and ``retryable`` says whether the same call may succeed later without a change.

    NearclassError                      exit 1
    ├── ConfigError                     exit 2   a setting is unknown, misspelt or out of range
    ├── UsageError                      exit 2   arguments that do not fit together
    ├── InputError                      exit 1   a file or stream that cannot be read as what it claims to be
    │   └── PictureError                         one picture, with a stable code for why it was not taken
    ├── BackupError                     exit 1   a backup that cannot be written, or is not whole
    ├── TaxonomyError                   exit 1   a change or a lookup that the tree of classes does not allow
    │   ├── ClassNotFoundError
    │   └── EmptyTaxonomyError
    ├── ItemNotFoundError               exit 1   no stored item has this id
    ├── CalibrationError                exit 1   labels are too few, or show no threshold that keeps a precision
    ├── EncoderError                    exit 1   a model that cannot be found, loaded or run
    │   └── ModelNotFoundError
    ├── BrokerError                     exit 1   a broker that cannot be reached, or refused (retryable)
    ├── MismatchError                   exit 4   stored vectors or collections made by something else
    │   ├── SpaceMismatchError
    │   └── SchemaMismatchError
    └── StoreError                      exit 1   Milvus refused or failed
        ├── StoreUnavailableError       exit 5   not reachable, or did not answer in time (retryable)
        ├── StoreLockedError            exit 5   another process holds the embedded database (retryable)
        ├── StoreWriteError             exit 1   a write failed; nothing after it may be acknowledged
        ├── StoreDamagedError           exit 1   files of the embedded database cannot be read
        └── CollectionMissingError      exit 1
"""

from typing import ClassVar

__all__ = [
    "BackupError",
    "BrokerError",
    "CalibrationError",
    "ClassNotFoundError",
    "CollectionMissingError",
    "ConfigError",
    "EmptyTaxonomyError",
    "EncoderError",
    "InputError",
    "ItemNotFoundError",
    "MismatchError",
    "ModelNotFoundError",
    "NearclassError",
    "PictureError",
    "SchemaMismatchError",
    "SpaceMismatchError",
    "StoreDamagedError",
    "StoreError",
    "StoreLockedError",
    "StoreUnavailableError",
    "StoreWriteError",
    "TaxonomyError",
    "UsageError",
]


class NearclassError(Exception):
    """Root of every error that nearclass raises on purpose.

    Attributes:
        message: What happened, where and why, with the offending value.
        hint: What to do or type next; empty when there is nothing to add.
    """

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class ConfigError(NearclassError):
    """A setting is unknown, misspelt or out of range."""

    exit_code = 2


class UsageError(NearclassError):
    """Arguments that do not fit together."""

    exit_code = 2


class InputError(NearclassError):
    """A file or stream cannot be read as what it claims to be."""


class PictureError(InputError):
    """A picture cannot be found, read or decoded, or may not be.

    Attributes:
        code: Stable reason in snake_case, one of ``schemas.pictures.PictureCode``.
    """

    def __init__(self, message: str, *, code: str = "unreadable_picture", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class BackupError(NearclassError):
    """A backup cannot be written, or is not whole, or is none."""


class TaxonomyError(NearclassError):
    """The tree of classes does not allow this change."""


class ClassNotFoundError(TaxonomyError):
    """No class has this id, path or unique name."""


class EmptyTaxonomyError(TaxonomyError):
    """There is no class that an item could be assigned to."""


class ItemNotFoundError(NearclassError):
    """No stored item has this id."""


class CalibrationError(NearclassError):
    """Labels are too few, or show no threshold that keeps the precision asked for."""


class EncoderError(NearclassError):
    """A model cannot be loaded or run."""


class ModelNotFoundError(EncoderError):
    """A model is in none of the places that were searched."""


class BrokerError(NearclassError):
    """A broker cannot be reached, or did not do what it was asked."""

    retryable = True


class MismatchError(NearclassError):
    """Stored data was made by something other than what is configured now."""

    exit_code = 4


class SpaceMismatchError(MismatchError):
    """The configured encoder is not the one that made the stored vectors."""


class SchemaMismatchError(MismatchError):
    """The stored collections have another layout than this version reads."""


class StoreError(NearclassError):
    """Milvus refused a call or failed."""


class StoreUnavailableError(StoreError):
    """Milvus cannot be reached, or did not answer before the deadline."""

    exit_code = 5
    retryable = True


class StoreLockedError(StoreError):
    """Another process holds the embedded database."""

    exit_code = 5
    retryable = True


class StoreWriteError(StoreError):
    """A write failed, and the engine must be reopened before anything more is acknowledged."""


class StoreDamagedError(StoreError):
    """Files of the embedded database cannot be read."""


class CollectionMissingError(StoreError):
    """A collection does not exist."""
