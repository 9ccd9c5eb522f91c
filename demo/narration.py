"""The words of the tour; every figure in them comes from the run."""

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final

from ..learn.evaluate import Evaluation, Judged
from ..learn.metrics import most_confused
from ..schemas.records import Assignment, Decision, Item
from ..schemas.spaces import Space
from ..schemas.taxonomy import Taxonomy
from .folder import DemoFolder
from .narrator import Narrator, shortened
from .story import Imported, Ingested, Question, Reassigned, Stage, Stranger, has_class, novel_count, quoted

__all__ = ["Narration"]

_CONFUSED: Final = 5


class Narration:
    """Says what each step does and what came of it."""

    def __init__(self, narrator: Narrator, command: str = "nearclass") -> None:
        """Speak through ``narrator``; ``command`` stands before what a person would type."""
        self._out = narrator
        self._command = command

    def working(self, what: str) -> AbstractContextManager[None]:
        """Show that something takes its time."""
        return self._out.working(what)

    def welcome(self, folder: DemoFolder) -> None:
        """Say what is going to happen, and where."""
        self._out.title(
            "nearclass demo: a shop learns a new class",
            f"Everything happens in {folder.path}; each step shows what you would type in that folder.",
        )

    def about_to_import(self) -> None:
        """Begin with the classes."""
        self._step("The shop describes its classes in words", "classes import classes.jsonl")

    def imported(self, imported: Imported, space: Space) -> None:
        """Say what classes there are."""
        self._out.tell(
            f"{imported.classes} classes in {imported.branches} branches; items can be assigned to "
            f"{imported.assignable} of them, the others group. Nothing was trained."
        )
        self._out.aside(
            f"encoder {space.encoder}, {space.dim} dimensions; {imported.seconds:.1f} s, loading the model included"
        )

    def about_to_ingest(self) -> None:
        """Begin with the items."""
        self._step("Its items come in, and each gets its nearest class", "ingest items.jsonl new_products.jsonl")

    def ingested(self, ingested: Ingested) -> None:
        """Say how many items there are."""
        shop, new = ingested.shop, ingested.new
        rate = (shop.embedded + new.embedded) / ingested.seconds
        self._out.tell(
            f"{shop.ok} items of the shop, and {new.ok} e-readers that are new in stock and have no class yet."
        )
        self._out.aside(f"{shop.rejected + new.rejected} rows rejected; {ingested.seconds:.1f} s, {rate:,.0f} items/s")

    def before(self, products: Sequence[Item], stage: Stage) -> None:
        """Show where the new products land without a class of their own."""
        self._step("Where do the e-readers land?", "assign --input new_products.jsonl")
        self._answers(products, stage.answers)
        self._out.tell(f"There is no class for them, so they land on other shelves: {_decisions(stage.answers)}.")

    def added(self, taxonomy: Taxonomy, class_id: str, seconds: float) -> None:
        """Say that the class is live."""
        self._step("The shop adds one class", "classes import new_class.json")
        spec = taxonomy[class_id]
        self._out.tell(f"{' > '.join(taxonomy.path(class_id))}: {' '.join(spec.descriptions)}")
        self._out.aside(f"live after {seconds:.2f} s, as revision {taxonomy.revision}; no model was trained")

    def after(self, products: Sequence[Item], stages: Sequence[Stage], class_id: str, reassigned: Reassigned) -> None:
        """Show where the new products land now, and that stored items follow."""
        self._step("Where do they land now?", "assign --input new_products.jsonl --explain", "items reassign")
        self._answers(products, stages[-1].answers, class_id)
        there = stages[-1].in_class(class_id)
        self._out.tell(f"{there} of {len(products)} are in the new class; {stages[0].in_class(class_id)} were before.")
        self._reanswered(reassigned)

    def taught(
        self,
        example: Item,
        stages: Sequence[Stage],
        taxonomy: Taxonomy,
        class_id: str,
        reassigned: Reassigned,
    ) -> None:
        """Show what one example does."""
        name = taxonomy[class_id].name
        self._step(
            "One product is shown to the class as an example",
            f"classes edit {quoted(name)} --example {quoted(example.title or '')}",
            "items reassign",
        )
        before, now = (stage.in_class(class_id) for stage in stages[-2:])
        self._out.tell(
            f"It was the one that {name} missed by most. {now} of {len(stages[-1].answers)} are there now, "
            f"{before} were with the description alone; the example itself is one of them."
        )
        self._reanswered(reassigned)

    def strangers(self, strangers: Sequence[Stranger]) -> None:
        """Show what comes of things that the shop does not sell."""
        self._step("Things the shop does not sell", "assign --input strangers.jsonl")
        rows = [
            (
                shortened(one.item.title),
                one.answer.decision.value,
                f"{one.answer.score:.3f}",
                _nearest(one.answer),
            )
            for one in strangers
        ]
        self._out.table(("item", "decision", "#score", "nearest class"), rows)
        self._out.tell(f"{novel_count(strangers)} of {len(strangers)} come back as novel: no class fits.")
        rule = next((one.answer.rule for one in strangers if one.answer.decision is Decision.NOVEL), "")
        if rule:
            self._out.aside(f"the rule of the first: {rule}")

    def searched(self, questions: Sequence[Question]) -> None:
        """Show what searches find."""
        self._step("Finding stored items by description", questions[0].command)
        for number, question in enumerate(questions):
            if number:
                self._out.commands(f"{self._command} {question.command}")
            rows = [
                (
                    f"{one.similarity or 0:.3f}",
                    shortened(one.title),
                    _leaf(one.path),
                    str(one.attributes.get("price", "")),
                )
                for one in question.found
            ]
            self._out.table(("#similarity", "item", "class", "#price"), rows)

    def about_to_evaluate(self) -> None:
        """Begin with the evaluation."""
        self._step("How good are the answers?", "evaluate --labels labelled.jsonl --report evaluation.html")

    def evaluated(self, figures: Evaluation, judged: Sequence[Judged], taxonomy: Taxonomy) -> None:
        """Show the figures and the most confused pairs."""
        low, high = _percent(figures.accuracy_low), _percent(figures.accuracy_high)
        interval = f"95 % interval {low} to {high}, n = {figures.n}"
        decided = f"{_percent(figures.coverage)} of all items were assigned"
        self._out.table(
            ("measure", "#value", ""),
            [
                ("right at first", _percent(figures.accuracy), interval),
                ("right among five", _percent(figures.top5), f"{figures.classes} classes to choose from"),
                ("macro-F1", f"{figures.macro_f1 or 0:.3f}", "mean over the classes"),
                ("precision", _percent(figures.precision), f"of the answers `assigned`; {decided}"),
                (
                    "AUROC",
                    f"{figures.oos_auroc or 0:.3f}",
                    f"items of the shop against {figures.n_oos} strangers",
                ),
            ],
        )
        scoped = [one for one in judged if one.truth]
        predicted = [one.answer.candidates[0].class_id for one in scoped]
        pairs = most_confused(predicted, [one.truth for one in scoped], _CONFUSED)
        rows = [(taxonomy[truth].name, taxonomy[answer].name, str(count)) for truth, answer, count in pairs]
        self._out.tell("Most confused:")
        self._out.table(("right class", "answered", "#items"), rows)

    def finished(self, folder: DemoFolder, seconds: float, *, keep: bool) -> None:
        """Say where the reports are and what to try."""
        self._out.step("The whole story, to look at")
        self._out.file("the tour", folder.report)
        self._out.file("the evaluation", folder.evaluation)
        self._out.aside(f"{seconds:.0f} s in all")
        if keep:
            self._out.step("Your turn", f"cd {folder.path}")
            self._out.commands(
                *(
                    f"{self._command} {rest}"
                    for rest in (
                        'assign "bright reading light that clips to a book" --explain',
                        'classes add "Rain Jackets" -d "Coats that keep the rain off."',
                        "assign --input strangers.jsonl",
                        "items list --where decision=review",
                    )
                )
            )

    def _step(self, title: str, *commands: str) -> None:
        self._out.step(title, *(f"{self._command} {command}" for command in commands))

    def _answers(self, products: Sequence[Item], answers: Sequence[Assignment], class_id: str | None = None) -> None:
        rows = [
            (
                "*" if class_id and has_class(answer, class_id) else "",
                shortened(item.title),
                answer.decision.value,
                _leaf(answer.path) or _nearest(answer),
                f"{answer.score:.3f}",
            )
            for item, answer in zip(products, answers, strict=True)
        ]
        self._out.table(("", "e-reader", "decision", "class", "#score"), rows)

    def _reanswered(self, reassigned: Reassigned) -> None:
        others = [move for move in reassigned.moves if move.right]
        lost, found = sum(move.lost for move in others), sum(move.found for move in others)
        self._out.tell(
            f"All {reassigned.stale} stored items were answered anew from their stored vectors, with "
            f"nothing embedded again. {len(reassigned.moves) - len(others)} e-readers and {len(others)} "
            f"other items have another answer; of the others, {lost or 'none'} left the class of their label "
            f"and {found or 'none'} came to it."
        )
        self._out.aside(f"{reassigned.seconds:.2f} s")


def _decisions(answers: Sequence[Assignment]) -> str:
    counts = Counter(answer.decision for answer in answers)
    return ", ".join(f"{counts[decision]} {decision.value}" for decision in Decision if counts[decision])


def _leaf(path: Sequence[str]) -> str:
    return path[-1] if path else ""


def _nearest(answer: Assignment) -> str:
    return _leaf(answer.candidates[0].path)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
