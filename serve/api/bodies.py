"""What requests hold."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ..options import MAX_BATCH, MAX_K, MAX_TEXT_BYTES

__all__ = [
    "AssignBody",
    "Body",
    "ClassName",
    "ConfirmBody",
    "Id",
    "IdsBody",
    "IngestBody",
    "ItemBody",
    "KeyBody",
    "Said",
    "SearchBody",
    "StoredItemBody",
    "Texts",
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


class Body(BaseModel):
    """What every body has: no member that is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ItemBody(Body):
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


class AssignBody(Body):
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


class IngestBody(Body):
    """Items to store; one of an id that is stored takes its place."""

    items: list[StoredItemBody] = Field(min_length=1, max_length=MAX_BATCH)


class IdsBody(Body):
    """Ids of stored items."""

    ids: list[Id] = Field(min_length=1, max_length=MAX_BATCH)


class ConfirmBody(IdsBody):
    """Stored items, and the class that is right for them."""

    class_: ClassName = Field(alias="class")


class SearchBody(Body):
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


class KeyBody(Body):
    """A key to make."""

    name: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_said)]
    scope: str = Field("read", pattern="^(read|ingest|admin)$")
    days: float | None = Field(None, gt=0, le=36_500, description="After so many days it ends.")
