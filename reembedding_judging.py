"""Two spaces of a catalogue held to labelled items, whichever of them serves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .answers import Answers
from .encoding import CatalogEncoder
from .errors import CalibrationError
from .imaging import CatalogImages
from .ingest.calibration import unseen
from .ingest.labelled import Labelled
from .ingest.space_learning import SpaceLearning
from .judging import Judging
from .learn.judged import Judged
from .query.live import LiveSpace
from .query.pair import LivePair
from .reembedding_report import Accuracies, accuracies
from .schemas.spaces import Space
from .store import Store
from .store.calibration import read_calibration
from .store.learned import Learned
from .store.spaces import SpaceCollections
from .store.state import State

__all__ = ["SpacesJudging"]


@dataclass(frozen=True)
class SpacesJudging:
    """Calibrates and compares spaces of texts of one catalogue; ``beside`` gives what answers from one."""

    catalog: str
    store: Store
    state: State
    encoders: CatalogEncoder
    images: CatalogImages
    live: Callable[[str], LiveSpace]
    beside: Callable[[Space], LivePair]

    def calibrate(self, old: Space, new: Space, labelled: Sequence[Labelled]) -> str:
        """Calibrate the new space, if the old one is and there are labels; what was done, in words."""
        precision = self.precision(old)
        if precision is None:
            return "no: the old space is not calibrated"
        if not labelled:
            kept = self.precision(new) is not None
            return "yes" if kept else "no: give labelled items with --labels FILE, or calibrate after the swap"
        try:
            self._judging(new).calibrate(
                labelled,
                precision=precision,
                space=None,
                exclude=self._learnt_texts(new),
                pictures=(),
                on_reject=lambda _row, _bad: None,
            )
        except CalibrationError as error:
            return f"no: {error.message}"
        return f"yes, for a precision of {precision:g}"

    def precision(self, space: Space) -> float | None:
        """The precision that a space is calibrated for; None without a calibration that holds."""
        made = read_calibration(self.state, space.name, self.learner(space))
        return None if made is None else made.precision

    def learner(self, space: Space) -> int:
        """The learnt version that is in use in a space, 0 for none."""
        return Learned(self.store, self.state, SpaceCollections.of(self.catalog, space)).active_version()

    def compare(self, old: Space, new: Space, labelled: Sequence[Labelled]) -> Accuracies | None:
        """How often each is right on labelled items that neither learnt from; None without any."""
        rows = unseen(labelled, self._learnt_texts(old) | self._learnt_texts(new))
        if not rows:
            return None
        before, after = (self._judged(space, rows) for space in (old, new))
        both = [place for place in before if place in after]
        return accuracies([before[place] for place in both], [after[place] for place in both])

    def _judged(self, space: Space, rows: Sequence[Labelled]) -> dict[int, Judged]:
        """Answers beside the truth by the places of the rows; those that cannot be answered are left out."""
        rejected: set[int] = set()
        _, judged = self._judging(space).evaluate(rows, space=None, on_reject=lambda row, _: rejected.add(id(row)))
        kept = [place for place, row in enumerate(rows) if id(row) not in rejected]
        return dict(zip(kept, judged, strict=True))

    def _judging(self, space: Space) -> Judging:
        pair = self.beside(space)
        answers = Answers(self.encoders, self.images, self.live, lambda: pair)
        return Judging(self.state, answers, self.live, lambda: pair)

    def _learnt_texts(self, space: Space) -> set[str]:
        live = self.beside(space).text
        if live is None:
            return set()
        return SpaceLearning(self.store, self.state, live, self.encoders.of(space)).labelled() - {""}
