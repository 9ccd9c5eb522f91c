"""What requests hold that begin jobs."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..options import MAX_BATCH, MAX_LABELS
from .bodies import Body, ClassName, ItemBody

__all__ = ["CalibrateBody", "DiscoverBody", "EvaluateBody", "LabelledBody", "LearnBody", "ReembedBody"]


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


class LearnBody(Body):
    """Labelled items to learn from, beside what is stored."""

    labelled: _Labelled = Field(default_factory=list)
    dry_run: bool = False


class CalibrateBody(Body):
    """Labelled items, 500 or more, and the precision to keep."""

    labelled: _Labelled
    precision: float = Field(gt=0, lt=1)


class EvaluateBody(Body):
    """Labelled items to measure the answers on."""

    labelled: _Labelled = Field(min_length=1)


class DiscoverBody(Body):
    """How to look for classes that may be missing."""

    min_size: int = Field(5, ge=2, le=10_000)
    review: bool = Field(default=False, description="Look at items under review too.")
    weakest: float = Field(0.0, ge=0, le=1, description="Look also at this share of the items, the worst fitting.")


class ReembedBody(Body):
    """A step of the move to another text encoder."""

    step: Literal["plan", "run", "swap", "rollback", "drop"]
    encoder: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="A preset or a model id; to go on with a run, leave it off."
    )
    rate: float | None = Field(None, gt=0, description="Embed at most so many items a second; for run.")
    labelled: _Labelled = Field(default_factory=list, description="Items to compare both encoders on; for run.")

    @model_validator(mode="after")
    def _fitting(self) -> "ReembedBody":
        if self.step == "plan" and self.encoder is None:
            message = "a plan needs an encoder"
            raise ValueError(message)
        if self.step not in {"plan", "run"} and self.encoder is not None:
            message = f"{self.step} takes no encoder: it is about the move that was begun"
            raise ValueError(message)
        if self.step != "run" and (self.rate is not None or self.labelled):
            message = "rate and labelled go with run"
            raise ValueError(message)
        return self
