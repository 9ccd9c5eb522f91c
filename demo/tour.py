"""The tour: a shop gets classes and items, meets products it has no class for, and learns it."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Final, TypeVar

from .. import __version__
from ..catalog import Catalog
from ..errors import InputError
from ..ingest.class_files import open_classes
from ..ingest.labelled import Labelled, mapped_items, read_labelled
from ..ingest.run import Counts
from ..ingest.sources import BadRow, open_sources
from ..learn.evaluate import Evaluation, Judged
from ..schemas.records import Item
from ..schemas.taxonomy import Taxonomy
from .folder import DemoFolder
from .narration import Narration
from .story import Imported, Ingested, Move, Question, Reassigned, Stage, Story, Stranger, has_class

__all__ = ["Tour"]

_QUERY: Final = "something to read in bed"
_BELOW: Final = "price<120"
_FOUND: Final = 5

_Row = TypeVar("_Row")


class Tour:
    """One walk through a fresh catalogue."""

    def __init__(self, catalog: Catalog, folder: DemoFolder, say: Narration) -> None:
        """Walk through ``catalog``, empty, with the files of ``folder``, and ``say`` what happens."""
        self._catalog = catalog
        self._folder = folder
        self._say = say
        self._stages: list[Stage] = []
        self._reassigned: list[Reassigned] = []

    def take(self) -> Story:
        """Take every step but the writing of the reports."""
        started = time.perf_counter()
        imported = self._import_classes()
        ingested = self._ingest()
        products = self._items("new_products.jsonl")
        self._ask("Before the class", products)
        self._say.before(products, self._stages[-1])
        class_id = self._add_class()
        self._ask("With the class", products)
        self._reassign()
        self._say.after(products, self._stages, class_id, self._reassigned[-1])
        example = self._teach(products, class_id)
        strangers = self._meet_strangers()
        questions = self._search(class_id)
        figures, judged, labelled = self._evaluate()
        taxonomy = self._catalog.classes.taxonomy
        return Story(
            imported=imported,
            ingested=ingested,
            items=products,
            new_class=taxonomy[class_id],
            stages=self._stages,
            example=example,
            reassigned=self._reassigned,
            strangers=strangers,
            questions=questions,
            figures=figures,
            judged=judged,
            labelled=labelled,
            taxonomy=taxonomy,
            items_of=Counter(item.class_id for item in self._catalog.items().iterate()),
            space=self._catalog.encoder.space,
            version=__version__,
            engine=self._catalog.store.engine,
            seconds=time.perf_counter() - started,
        )

    def _import_classes(self) -> Imported:
        self._say.about_to_import()
        clock = time.perf_counter()
        with self._say.working("loading the model and embedding the classes"):
            taxonomy = self._put_classes("classes.jsonl")
        seconds = time.perf_counter() - clock
        imported = Imported(len(taxonomy), len(taxonomy.assignable()), len(taxonomy.children(None)), seconds)
        self._say.imported(imported, self._catalog.encoder.space)
        return imported

    def _ingest(self) -> Ingested:
        self._say.about_to_ingest()
        clock = time.perf_counter()
        with self._say.working("embedding the items and assigning each to its nearest class"):
            shop, new = (self._ingest_file(name) for name in ("items.jsonl", "new_products.jsonl"))
        ingested = Ingested(shop, new, time.perf_counter() - clock)
        self._say.ingested(ingested)
        return ingested

    def _add_class(self) -> str:
        before = set(self._catalog.classes.taxonomy.ids())
        clock = time.perf_counter()
        taxonomy = self._put_classes("new_class.json")
        class_id = next(class_id for class_id in taxonomy.ids() if class_id not in before)
        self._say.added(taxonomy, class_id, time.perf_counter() - clock)
        return class_id

    def _teach(self, products: Sequence[Item], class_id: str) -> Item | None:
        """Give the class the product that it lost by the widest margin as an example."""
        lost = [
            (answer.margin or 0.0, item)
            for item, answer in zip(products, self._stages[-1].answers, strict=True)
            if not has_class(answer, class_id)
        ]
        if not lost:
            return None
        example = max(lost, key=lambda pair: pair[0])[1]
        self._catalog.classes.edit(class_id, examples=(example.title,))
        self._ask("With one example", products)
        self._reassign()
        self._say.taught(example, self._stages, self._catalog.classes.taxonomy, class_id, self._reassigned[-1])
        return example

    def _reassign(self) -> None:
        taxonomy = self._catalog.classes.taxonomy
        stale = self._catalog.stale_items()
        clock = time.perf_counter()
        moved = self._catalog.items().reassign()
        seconds = time.perf_counter() - clock
        moves = []
        for before, answer in sorted(moved, key=lambda pair: pair[1].id):
            item = self._catalog.items().get(answer.id)
            right = taxonomy.get(str(item.attributes.get("label", "")))
            moves.append(Move(item, taxonomy.path(before) if before else (), taxonomy.path(right.id) if right else ()))
        self._reassigned.append(Reassigned(stale, moves, seconds))

    def _meet_strangers(self) -> list[Stranger]:
        items = self._items("strangers.jsonl")
        answers = self._catalog.assign(items, explain=False)
        strangers = [Stranger(item, answer) for item, answer in zip(items, answers, strict=True)]
        self._say.strangers(strangers)
        return strangers

    def _search(self, class_id: str) -> list[Question]:
        name = self._catalog.classes.taxonomy[class_id].name
        questions = [
            Question(_QUERY, None, (), self._catalog.search(_QUERY, _FOUND)),
            Question(_QUERY, name, (_BELOW,), self._catalog.search(_QUERY, _FOUND, class_id=name, where=[_BELOW])),
        ]
        self._say.searched(questions)
        return questions

    def _evaluate(self) -> tuple[Evaluation, list[Judged], list[Labelled]]:
        self._say.about_to_evaluate()
        sources = open_sources([str(self._folder.labelled)])
        labelled = [_good(row) for row in read_labelled(sources, self._catalog.classes.taxonomy)]
        with self._say.working("answering the labelled items"):
            figures, judged = self._catalog.evaluate(labelled)
        self._say.evaluated(figures, judged, self._catalog.classes.taxonomy)
        return figures, judged, labelled

    def _ask(self, title: str, products: Sequence[Item]) -> None:
        clock = time.perf_counter()
        answers = self._catalog.assign(products)
        self._stages.append(Stage(title, answers, time.perf_counter() - clock))

    def _put_classes(self, name: str) -> Taxonomy:
        found = open_classes(self._folder.file(name), self._catalog.classes.taxonomy)
        return self._catalog.import_classes(found.specs).taxonomy

    def _ingest_file(self, name: str) -> Counts:
        return self._catalog.ingest([self._folder.file(name)], rejects=self._folder.file("nearclass.rejects.jsonl"))

    def _items(self, name: str) -> list[Item]:
        return [_good(row) for row in mapped_items(open_sources([self._folder.file(name)]))]


def _good(row: _Row | BadRow) -> _Row:
    """The row, which is good unless the installed files are not those of the demo."""
    if isinstance(row, BadRow):
        message = f"{row.source}, line {row.line}: {row.message}"
        raise InputError(message, hint="Install nearclass again: the files of its demo are damaged.")
    return row
