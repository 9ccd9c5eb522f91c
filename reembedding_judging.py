"""Two spaces of a catalogue held to labelled items, whichever of them serves."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from .answers import Answers
from .errors import CalibrationError, PictureError
from .ingest.calibration import unseen
from .ingest.labelled import Labelled
from .ingest.space_learning import SpaceLearning
from .judging import Judging
from .learn.judged import Judged
from .query.live import LiveSpace
from .reembedding_report import Accuracies, accuracies
from .reembedding_spaces import MovedSpaces
from .schemas.spaces import Space
from .store.calibration import read_calibration
from .store.fusion import read_fusion
from .store.learned import Learned

__all__ = ["SpacesJudging"]


@dataclass(frozen=True)
class SpacesJudging:
    """Calibrates and compares spaces of one kind of one catalogue, each beside the other kind's serving one."""

    moved: MovedSpaces
    live: Callable[[str], LiveSpace]

    def calibrate(self, old: Space, new: Space, labelled: Sequence[Labelled]) -> str:
        """Calibrate the new space, if the old one is and there are labels; what was done, in words.

        By labels without a picture a space of pictures learns nothing, and that of texts is not touched.
        """
        precision = self.precision(old)
        if precision is None:
            return "no: the old space is not calibrated"
        rows = _of_kind(new, labelled)
        if not rows:
            kept = self.precision(new) is not None
            return "yes" if kept else "no: give labelled items with --labels FILE, or calibrate after the swap"
        try:
            self._judging(new).calibrate(
                rows,
                precision=precision,
                space=None,
                exclude=self._learnt_texts(new),
                pictures=self._learnt(new) if new.kind == "image" else (),
                on_reject=lambda _row, _bad: None,
            )
        except CalibrationError as error:
            return f"no: {error.message}"
        return f"yes, for a precision of {precision:g}"

    def precision(self, space: Space) -> float | None:
        """The precision that a space is calibrated for; None without a calibration that holds."""
        made = read_calibration(self.moved.state, space.name, self.learner(space))
        text = self.moved.spaces.text_space() if space.kind == "image" else None
        if made is None and text is not None:  # pictures may be calibrated only together with texts
            learners = self.learner(text), self.learner(space)
            fusion = read_fusion(self.moved.state, (text.name, space.name), learners)
            made = fusion.calibration if fusion else None
        return None if made is None else made.precision

    def learner(self, space: Space) -> int:
        """The learnt version that is in use in a space, 0 for none."""
        return Learned(self.moved.store, self.moved.state, self.moved.place(space)).active_version()

    def compare(self, old: Space, new: Space, labelled: Sequence[Labelled]) -> Accuracies | None:
        """How often each is right on labelled items that neither learnt from; None without any."""
        rows = unseen(_of_kind(new, labelled), self._learnt_texts(old) | self._learnt_texts(new))
        if new.kind == "image":
            rows = self._unseen_pictures(rows, self._learnt(old) | self._learnt(new))
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
        moved, pair = self.moved, self.moved.beside(space)
        answers = Answers(moved.encoders, moved.images, self.live, lambda: pair)
        return Judging(moved.state, answers, self.live, lambda: pair)

    def _learnt_texts(self, space: Space) -> set[str]:
        """Texts that were learnt from in the space of texts that this is, or that serves beside it."""
        text = self.moved.spaces.text_space() if space.kind == "image" else space
        return set() if text is None else self._learnt(text) - {""}

    def _learnt(self, space: Space) -> set[str]:
        """Identities of the labels that a space learnt from."""
        pair = self.moved.beside(space)
        live = pair.image if space.kind == "image" else pair.text
        if live is None:
            return set()
        encoder = self.moved.images.of(space) if space.kind == "image" else self.moved.encoders.of(space)
        return SpaceLearning(self.moved.store, self.moved.state, live, encoder).labelled()

    def _unseen_pictures(self, rows: Sequence[Labelled], learnt: Collection[str]) -> list[Labelled]:
        """The rows whose picture has other bytes than all that were learnt from; those that cannot be read stay."""
        from .pictures.load import PictureSource  # noqa: PLC0415 - slow to import

        if not learnt:
            return list(rows)
        sources = [PictureSource(row.item.image or "", Path(row.item.folder or ".")) for row in rows]
        with self.moved.images.loader() as loader:
            read = list(loader.read_all(sources))
        return [
            row
            for row, one in zip(rows, read, strict=True)
            if isinstance(one, PictureError) or one.digest not in learnt
        ]


def _of_kind(space: Space, labelled: Sequence[Labelled]) -> list[Labelled]:
    """The rows that a space can answer: all in one of texts, those with a picture in one of pictures."""
    return [row for row in labelled if space.kind != "image" or row.item.image]
