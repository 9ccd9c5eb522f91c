"""What requests hold that change classes."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from ..options import MAX_BATCH
from .bodies import Body, ClassName, Id, Said, Texts

__all__ = [
    "AcceptBody",
    "ClassBody",
    "ClassChanges",
    "ImportBody",
    "MergeBody",
    "MoveBody",
    "NameBody",
    "RenameBody",
    "RollbackBody",
    "SplitBody",
]


class _Change(Body):
    message: Annotated[str, Field(max_length=1000)] = Field("", description="Why, for the history.")


class ClassBody(_Change):
    """A class to add."""

    name: Annotated[str, Field(min_length=1, max_length=1000)]
    id: Id | None = Field(None, description="By default made of the path.")
    parent: ClassName | None = Field(None, description="The class above it.")
    descriptions: Texts = Field(default_factory=list)
    synonyms: Texts = Field(default_factory=list)
    examples: Texts = Field(default_factory=list)
    assignable: bool | None = Field(None, description="By default, if nothing is below it.")


class ClassChanges(_Change):
    """What changes of a class; what is not named stays."""

    name: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    descriptions: Texts | None = None
    synonyms: Texts | None = None
    examples: Texts | None = None
    assignable: bool | None = None

    @model_validator(mode="after")
    def _something(self) -> "ClassChanges":
        if not self.changes():
            message = "nothing to change"
            raise ValueError(message)
        return self

    def changes(self) -> dict[str, Any]:
        """The fields that were given, as the catalogue takes them."""
        given = self.model_dump(exclude_unset=True, exclude={"message"})
        return {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in given.items()
            if value is not None or name == "assignable"
        }


class ImportBody(_Change):
    """Class rows to add; those that are there already are replaced if they differ."""

    classes: list[dict[str, Any]] = Field(min_length=1, max_length=MAX_BATCH)


class NameBody(_Change):
    """A class."""

    class_: ClassName = Field(alias="class")


class RenameBody(NameBody):
    """A class and its new name."""

    name: Annotated[str, Field(min_length=1, max_length=1000)]


class MoveBody(NameBody):
    """A class and the one to put it below; null is the top."""

    under: ClassName | None


class MergeBody(_Change):
    """Classes that go, and the one that stays."""

    classes: list[ClassName] = Field(min_length=1, max_length=MAX_BATCH)
    into: ClassName
    evidence: bool = Field(default=True, description="Whether it gets their texts.")


class SplitBody(NameBody):
    """A class, and what it is split into: 'NAME: description', or class rows."""

    into: list[Said | dict[str, Any]] = Field(min_length=2, max_length=MAX_BATCH)
    retire: bool = Field(default=False, description="Retire the class, instead of keeping it above its parts.")


class RollbackBody(_Change):
    """The revision to go back to."""

    revision: int = Field(ge=0, lt=2**31)


class AcceptBody(_Change):
    """A class to make of a proposal."""

    number: int = Field(ge=1, lt=2**31)
    name: Annotated[str, Field(min_length=1, max_length=1000)]
    parent: ClassName | None = None
    id: Id | None = None
