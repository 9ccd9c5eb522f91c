"""Questions of many requests, answered together."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ..errors import EmptyTaxonomyError, StoreError
from ..schemas.records import Assignment, Item
from .metrics import Metrics

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..ingest.sources import BadRow

__all__ = ["Answering", "Question"]


@dataclass(frozen=True, slots=True)
class Question:
    """What one request asks.

    Attributes:
        items: What is to be assigned.
        k: How many candidates to name.
        space: Name of a space of given vectors, or None.
    """

    items: tuple[Item, ...]
    k: int
    space: str | None = None


class Answering:
    """Answers questions; those that ask the same way go through the encoder together."""

    def __init__(self, catalog: "Catalog", metrics: Metrics) -> None:
        self._catalog = catalog
        self._metrics = metrics

    def answer(self, questions: Sequence[Question]) -> Sequence["Sequence[Assignment | BadRow] | Exception"]:
        """For each question the answers of its items, or why there are none."""
        groups: dict[tuple[int, str | None], list[int]] = {}
        for place, question in enumerate(questions):
            groups.setdefault((question.k, question.space), []).append(place)
        found: dict[int, Sequence[Assignment | BadRow] | Exception] = {}
        for (k, space), places in groups.items():
            try:
                found |= self._group(questions, places, k, space)
            except (EmptyTaxonomyError, StoreError) as error:
                found |= dict.fromkeys(places, error)
            except Exception:  # noqa: BLE001 - it is one of them: the others are answered
                for place in places:
                    found |= self._alone(questions, place)
        return [found[place] for place in range(len(questions))]

    def _alone(
        self, questions: Sequence[Question], place: int
    ) -> dict[int, "Sequence[Assignment | BadRow] | Exception"]:
        one = questions[place]
        try:
            return self._group(questions, [place], one.k, one.space)
        except Exception as error:  # noqa: BLE001 - told to this request
            return {place: error}

    def _group(
        self, questions: Sequence[Question], places: Sequence[int], k: int, space: str | None
    ) -> dict[int, "Sequence[Assignment | BadRow] | Exception"]:
        rows = [item for place in places for item in questions[place].items]
        with self._metrics.timed("assign"):
            answers = list(self._catalog.assign_each(rows, k=k, explain=True, space=space))
        self._metrics.answered(one for one in answers if isinstance(one, Assignment))
        rest = iter(answers)
        return {place: list(islice(rest, len(questions[place].items))) for place in places}
