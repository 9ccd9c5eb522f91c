"""What requests hold."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ..options import MAX_BATCH, MAX_K, MAX_LABELS, MAX_TEXT_BYTES

__all__ = [
    "AssignBody",
    "CalibrateBody",
    "ClassBody",
    "ClassChanges",
    "ConfirmBody",
    "DiscoverBody",
    "EvaluateBody",
    "IdsBody",
    "ImportBody",
    "IngestBody",
    "ItemBody",
    "KeyBody",
    "LearnBody",
    "MergeBody",
    "MoveBody",
    "NameBody",
    "RenameBody",
    "RollbackBody",
    "SearchBody",
    "SplitBody",
]


def _short(text: str) -> str:
    if len(text.encode()) > MAX_TEXT_BYTES:
        message = f"is longer than {MAX_TEXT_BYTES} bytes"
        raise ValueError(message)
    return text


def _said(text: str) -> str:
    if not text.strip():
        message = "is empty"
        raise ValueError(message)
    return text


Text = Annotated[str, Field(max_length=MAX_TEXT_BYTES), AfterValidator(_short)]
Said = Annotated[str, Field(min_length=1, max_length=MAX_TEXT_BYTES), AfterValidator(_short), AfterValidator(_said)]
Id = Annotated[str, Field(min_length=1, max_length=512)]
Texts = Annotated[list[Said], Field(max_length=MAX_BATCH)]
ClassName = Annotated[str, Field(min_length=1, max_length=2000, description="A class: id, full path or unique name.")]
Picture = Annotated[
    str,
    Field(
        min_length=1,
        description="A data URI (data:image/jpeg;base64,...), or an address where the service fetches them.",
    ),
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ItemBody(_Body):
    """An item: at least one of title, description, text and image."""

    id: Id | None = None
    title: Text | None = None
    description: Text | None = None
    text: Text | None = None
    image: Picture | None = None
    attributes: dict[str, Any] = Field(default_factory=dict, description="Everything else.")

    @model_validator(mode="after")
    def _with_content(self) -> "ItemBody":
        if not any(one and one.strip() for one in (self.title, self.description, self.text)) and not self.image:
            message = "an item needs a title, a description, a text or an image"
            raise ValueError(message)
        return self


class StoredItemBody(ItemBody):
    """An item to store."""

    id: Id
    confirmed_class: ClassName | None = Field(None, description="The class that a person says it belongs to.")


class AssignBody(_Body):
    """What is to be assigned: texts or items."""

    texts: Texts | None = Field(None, min_length=1)
    items: list[ItemBody] | None = Field(None, min_length=1, max_length=MAX_BATCH)
    k: int = Field(5, ge=1, le=MAX_K, description="Candidates to name.")
    explain: bool = Field(default=False, description="Whether to add the rule that decided, and how well a class fits.")

    @model_validator(mode="after")
    def _one_kind(self) -> "AssignBody":
        if (self.texts is None) == (self.items is None):
            message = "give either texts or items"
            raise ValueError(message)
        return self


class IngestBody(_Body):
    """Items to store; one of an id that is stored takes its place."""

    items: list[StoredItemBody] = Field(min_length=1, max_length=MAX_BATCH)


class IdsBody(_Body):
    """Ids of stored items."""

    ids: list[Id] = Field(min_length=1, max_length=MAX_BATCH)


class ConfirmBody(IdsBody):
    """Stored items, and the class that is right for them."""

    class_: ClassName = Field(alias="class")


class SearchBody(_Body):
    """What to look for, in words, by a picture or by both."""

    query: Said | None = None
    image: Picture | None = None
    k: int = Field(10, ge=1, le=MAX_K)
    class_: ClassName | None = Field(None, alias="class", description="Only this class and what is below it.")
    where: list[Annotated[str, Field(max_length=1000)]] = Field(
        default_factory=list, max_length=20, description="Such as brand=Acme or price<40; all must hold."
    )

    @model_validator(mode="after")
    def _something(self) -> "SearchBody":
        if self.query is None and self.image is None:
            message = "give words or a picture"
            raise ValueError(message)
        return self


class _Change(_Body):
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


class LabelledBody(ItemBody):
    """An item and what is right for it: a class, several any of which is right, or none."""

    label: ClassName | None = None
    labels: list[ClassName] | None = Field(None, min_length=1, max_length=MAX_BATCH)
    oos: bool = Field(default=False, description="Whether no class is right.")

    @model_validator(mode="after")
    def _with_truth(self) -> "LabelledBody":
        if (self.label is not None) + (self.labels is not None) + self.oos != 1:
            message = "give one of label, labels and oos"
            raise ValueError(message)
        return self


_Labelled = Annotated[list[LabelledBody], Field(max_length=MAX_LABELS)]


class LearnBody(_Body):
    """Labelled items to learn from, beside what is stored."""

    labelled: _Labelled = Field(default_factory=list)
    dry_run: bool = False


class CalibrateBody(_Body):
    """Labelled items, 500 or more, and the precision to keep."""

    labelled: _Labelled
    precision: float = Field(gt=0, lt=1)


class EvaluateBody(_Body):
    """Labelled items to measure the answers on."""

    labelled: _Labelled = Field(min_length=1)


class DiscoverBody(_Body):
    """How to look for classes that may be missing."""

    min_size: int = Field(5, ge=2, le=10_000)
    review: bool = Field(default=False, description="Look at items under review too.")
    weakest: float = Field(0.0, ge=0, le=1, description="Look also at this share of the items, the worst fitting.")


class AcceptBody(_Change):
    """A class to make of a proposal."""

    number: int = Field(ge=1, lt=2**31)
    name: Annotated[str, Field(min_length=1, max_length=1000)]
    parent: ClassName | None = None
    id: Id | None = None


class KeyBody(_Body):
    """A key to make."""

    name: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_said)]
    scope: str = Field("read", pattern="^(read|ingest|admin)$")
    days: float | None = Field(None, gt=0, le=36_500, description="After so many days it ends.")
