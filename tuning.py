"""An encoder trained on a user's own labels, kept only where it is better on labels that it was not trained on.

Every fourth label of a class is held out. The encoder learns from the others; then class vectors are learnt with it as
a catalogue learns them, and with the encoder it was made of, from the same labels and the same items. Both answer the
held-out items. A folder is there when all of this is done and went well, and not before.
"""

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .encoders.base import Encoder
from .encoders.fingerprint import TextModel, describe
from .encoders.resolve import resolve
from .encoders.text import TextEncoder
from .encoders.tuned import Tuned, text_digest, write_tuned
from .encoders.tuning import tune_model
from .errors import EncoderError, UsageError
from .ingest.labelled import Labelled
from .learn.metrics import wilson_interval
from .schemas.taxonomy import Taxonomy
from .settings import Settings
from .tuning_inputs import Given

__all__ = ["TuningReport", "tune"]

_CHANCE: Final = 0.05
"""How often an encoder that is no better may seem to be."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class TuningReport:
    """What training an encoder brought, measured on labels that it was not trained on.

    Attributes:
        folder: Where the new encoder is; None where it was not kept.
        source: The encoder it was made of, as a user names it.
        labels: How many labels it was trained on.
        held_out: How many others it was measured on.
        items: Items without a label that both learnt from.
        accuracy_before: On the held-out labels, of class vectors learnt with the source.
        before_low: Lower end of its 95 % Wilson interval.
        before_high: Upper end.
        accuracy_after: The same of class vectors learnt with the new encoder.
        after_low: Lower end of its 95 % Wilson interval.
        after_high: Upper end.
        mended: Held-out items that are right only with the new encoder.
        broken: Held-out items that are right only with the source.
        chance: How often encoders that are equally good would differ so much in favour of the new one.
        kept: Whether the new encoder is better by more than chance.
        reason: Why it was kept or not, in words.
        seconds: How long all of it took.
    """

    folder: str | None
    source: str
    labels: int
    held_out: int
    items: int
    accuracy_before: float
    before_low: float
    before_high: float
    accuracy_after: float
    after_low: float
    after_high: float
    mended: int
    broken: int
    chance: float
    kept: bool
    reason: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-able data."""
        return asdict(self)


def tune(
    encoder: Encoder,
    taxonomy: Taxonomy,
    labelled: Sequence[Labelled],
    folder: str | Path,
    settings: Settings,
    *,
    items: Sequence[str] = (),
    seed: int = 0,
    on_step: Progress = lambda _done, _steps: None,
) -> TuningReport:
    """Train a copy of an encoder on labels; keep it in ``folder`` if it is better on held-out ones.

    Args:
        encoder: Stays as it is.
        taxonomy: The classes.
        labelled: Items with text, and the classes that are right; those of several classes or of none are passed over.
        folder: Where the new encoder goes: not there yet, or empty.
        settings: For device, precision and threads.
        items: Canonical texts without a label, which both encoders learn from.
        seed: Of the training.
        on_step: Called after each step of training with its number and how many there are.

    Raises:
        UsageError: The folder is in use, or there are too few labels to hold any out.
        EncoderError: The encoder is no text model with files, or cannot be trained.
        EmptyTaxonomyError: There is no class to answer.
    """
    target = _free(Path(folder).expanduser())
    if not isinstance(encoder, TextEncoder):
        message = f"an encoder of kind {type(encoder).__name__} cannot be trained: it is no text model with files"
        raise EncoderError(message, hint="Name a preset, a model id or a folder with NEARCLASS_TEXT_ENCODER.")
    started = time.perf_counter()
    given = Given.of(taxonomy, labelled, items)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, so that a rename is all that is left to do at the end.
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as beside:
        made = Path(beside) / "model"
        tune_model(
            encoder.model,
            given.examples(),
            made,
            seed=seed,
            device=settings.device,
            threads=settings.threads,
            on_step=on_step,
        )
        tuned = TextEncoder(
            describe(resolve(str(made))),
            device=settings.device,
            precision=settings.precision,
            threads=settings.threads,
        )
        right = given.right(encoder), given.right(tuned)
        report = _report(given, encoder.model, target, *right, time.perf_counter() - started)
        if report.kept:
            write_tuned(made, _record(given, encoder.model, seed, report))
            made.rename(target)
    return report


def _free(target: Path) -> Path:
    if target.is_dir() and not any(target.iterdir()):
        return target
    if target.exists() or target.is_symlink():
        message = f"{target} is there already and is not an empty folder"
        raise UsageError(message, hint="Name a folder that does not exist yet.")
    return target


def _report(
    given: Given,
    source: TextModel,
    target: Path,
    before: NDArray[np.bool_],
    after: NDArray[np.bool_],
    seconds: float,
) -> TuningReport:
    n, mended, broken = len(given.held), int((after & ~before).sum()), int((before & ~after).sum())
    chance = _chance(mended, broken)
    kept = chance <= _CHANCE
    measured = f"{after.mean():.1%} of {n} held-out labels are right, with {source.folder.asked} {before.mean():.1%}"
    why = "better" if kept else "not better" if mended <= broken else "not better by more than chance"
    return TuningReport(
        str(target.absolute()) if kept else None,
        source.folder.asked,
        len(given.trained),
        n,
        int((given.labels < 0).sum()),
        float(before.mean()),
        *wilson_interval(int(before.sum()), n),
        float(after.mean()),
        *wilson_interval(int(after.sum()), n),
        mended,
        broken,
        chance,
        kept,
        f"{why}: {measured}; {mended} mended, {broken} broken, p = {chance:.3f}",
        round(seconds, 2),
    )


def _chance(mended: int, broken: int) -> float:
    """Probability of so many mended ones or more, were mending and breaking equally likely.

    The exact form of McNemar's test, on one side (McNemar, Psychometrika 12, 1947; for classifiers on the same items:
    Dietterich, Neural Computation 10, 1998).

    >>> round(_chance(8, 1), 3), _chance(0, 0)
    (0.02, 1.0)
    """
    n = mended + broken
    return float(sum(math.comb(n, k) for k in range(mended, n + 1)) / 2**n)


def _record(given: Given, source: TextModel, seed: int, report: TuningReport) -> Tuned:
    return Tuned(
        source.folder.asked,
        source.space.fingerprint,
        seed,
        report.labels,
        report.held_out,
        report.accuracy_before,
        report.accuracy_after,
        tuple(sorted(text_digest(given.texts[row]) for row in given.trained)),
    )
