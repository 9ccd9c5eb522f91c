"""The report of the tour: what the template is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..reports.evaluation import view_of
from ..reports.page import write_page
from ..schemas.records import Assignment, Decision
from ..schemas.taxonomy import Taxonomy
from .story import Move, Story, has_class, novel_count, quoted

__all__ = ["write_story"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A class that items go to, and how many are stored in it."""

    id: str
    name: str
    items: int


@dataclass(frozen=True, slots=True)
class Group:
    """Classes with one parent, which has ``own`` items; without a name, the parent is the branch."""

    name: str
    own: int
    leaves: Sequence[Leaf]


@dataclass(frozen=True, slots=True)
class Branch:
    """Everything below one root, and how many items are stored there."""

    name: str
    items: int
    groups: Sequence[Group]


@dataclass(frozen=True, slots=True)
class Row:
    """A new product, before the class was there and at the end."""

    title: str
    before: Assignment
    after: Assignment
    is_example: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """A stored item with another answer; paths are empty where it has no class."""

    title: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    decision: str
    right: tuple[str, ...]


def write_story(path: str | Path, story: Story, command: str = "nearclass") -> None:
    """Write the report as one HTML file.

    Args:
        path: The file.
        story: What the tour saw.
        command: What stands before the words of a command.

    Raises:
        UsageError: The file cannot be written.
    """
    write_page(path, "demo.html", command=command, **_values(story, command))


def _values(story: Story, command: str) -> Mapping[str, Any]:
    class_id = story.new_class.id
    counts = {key: count for key, count in story.items_of.items() if key is not None}
    return {
        "story": story,
        "class_id": class_id,
        "words": sum(len(text.split()) for text in story.new_class.descriptions),
        "dots": [[has_class(answer, class_id) for answer in stage.answers] for stage in story.stages],
        "branches": _branches(story.taxonomy, counts),
        "most": max((counts.get(one, 0) for one in story.taxonomy.assignable()), default=1) or 1,
        "undecided": story.items_of.get(None, 0),
        "reader_commands": _reader_commands(story, command),
        "reader_words": _reader_words(story),
        "products": _products(story),
        "moves": _moves(story),
        "moved_words": _moved_words(story),
        "novel": novel_count(story.strangers),
        "novel_rule": next((one.answer.rule for one in story.strangers if one.answer.decision is Decision.NOVEL), ""),
        "view": view_of(story.figures, story.judged, story.labelled, story.taxonomy),
    }


def _branches(taxonomy: Taxonomy, counts: Mapping[str, int]) -> list[Branch]:
    branches = []
    for root in taxonomy.children(None):
        parents = [one for one in taxonomy.descendants(root) if taxonomy.children(one)]
        groups = [
            _group(taxonomy, counts, parent, "" if parent == root else taxonomy[parent].name) for parent in parents
        ]
        items = sum(counts.get(one, 0) for one in taxonomy.descendants(root))
        branches.append(Branch(taxonomy[root].name, items, [one for one in groups if one.leaves]))
    return branches


def _group(taxonomy: Taxonomy, counts: Mapping[str, int], parent: str, name: str) -> Group:
    leaves = [one for one in taxonomy.children(parent) if not taxonomy.children(one)]
    return Group(name, counts.get(parent, 0), [Leaf(one, taxonomy[one].name, counts.get(one, 0)) for one in leaves])


def _reader_commands(story: Story, command: str) -> list[str]:
    lines = ["assign --input new_products.jsonl", "classes import new_class.json", "items reassign"]
    if story.example is not None:
        title = quoted(story.example.title or "")
        lines.append(f"classes edit {quoted(story.new_class.name)} --example {title}")
    return [f"{command} {line}" for line in lines]


def _reader_words(story: Story) -> str:
    class_id, total = story.new_class.id, len(story.items)
    first, second = (stage.in_class(class_id) for stage in story.stages[:2])
    words = f"The description alone brings {second - first} of {total} into the class."
    if story.example is not None:
        last = story.stages[-1].in_class(class_id)
        words += (
            " Then the product that it missed by most is given to it as an example, by its title:"
            f" {last} of {total} are there, the example among them."
        )
    return words


def _products(story: Story) -> list[Row]:
    ends = zip(story.items, story.stages[0].answers, story.stages[-1].answers, strict=True)
    return [
        Row(item.title or item.id, before, after, story.example is not None and item.id == story.example.id)
        for item, before, after in ends
    ]


def _moves(story: Story) -> list[Moved]:
    """Items of the shop: where they were before the first change, and where they are after the last."""
    first: dict[str, tuple[str, ...]] = {}
    last: dict[str, Move] = {}
    for one in story.reassigned:
        for move in one.moves:
            first.setdefault(move.item.id, move.before)
            last[move.item.id] = move
    return [
        Moved(move.item.title, first[item_id], move.item.path, move.item.decision, move.right)
        for item_id, move in sorted(last.items())
        if move.right and (first[item_id] != move.item.path)
    ]


def _moved_words(story: Story) -> str:
    stale = sum(one.stale for one in story.reassigned)
    seconds = sum(one.seconds for one in story.reassigned)
    readers = sum(has_class(answer, story.new_class.id) for answer in story.stages[-1].answers)
    moves = _moves(story)
    lost = sum(move.before == move.right for move in moves)
    found = sum(move.after == move.right for move in moves)
    return (
        f"After each change every stored item was answered anew from its stored vector: {stale} answers in"
        f" {seconds:.1f} s, with nothing embedded again. {readers} e-readers are in their class now."
        f" {len(moves)} items of the shop have another answer too: {lost or 'none'} of them left the class"
        f" that their file names as right, and {found or 'none'} came to it. That is the price of a new"
        " class, and the evaluation below counts it."
    )
