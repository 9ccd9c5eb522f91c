"""Rows and published taxonomy texts to classes: every row becomes a class or a reject that says why not."""

import hashlib
import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, time
from typing import Any, Final, Literal

from ..schemas.records import ClassSpec, ClassState
from ..schemas.taxonomy import MAX_ID_BYTES, Taxonomy
from .sources.rows import BadRow, RawRow, clip

__all__ = ["ClassFile", "parse_google", "parse_shopify", "read_classes", "slug_id", "sniff_taxonomy"]

_LISTS: Final = ("descriptions", "synonyms", "examples", "images")
_SINGLE: Final = ("id", "name", "path", "parent", "parent_id", "description", "assignable", "label", "vector")
_COLUMNS: Final = frozenset({*_LISTS, *_SINGLE})
_YES_NO: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_STATES: Final = {state.value: state for state in ClassState}
_GOOGLE_HEADER: Final = "# Google_Product_Taxonomy_Version"
_GOOGLE_LINE: Final = re.compile(r"(\d+)\s+-\s+(.*)")
_SHOPIFY_HEADER: Final = "# Shopify Product Taxonomy"
_SHOPIFY_LINE: Final = re.compile(r"gid://shopify/TaxonomyCategory/(\S+)\s*:\s*(.*)")


@dataclass(frozen=True, slots=True)
class ClassFile:
    """What the rows of a class file come to.

    Attributes:
        specs: The classes, in the order of the file; an implied one stands before the first that needs it.
        lines: Source and line of each class, by its id; for an implied one, of the first row that needs it.
        rejects: The rows that became no class, in the order of the file.
        implied: Number of classes that have no row of their own and stand only in the path of others.
        folder: Full path or address of the folder that the file is in, where that is known.
    """

    specs: list[ClassSpec]
    lines: dict[str, tuple[str, int]]
    rejects: list[BadRow]
    implied: int
    folder: str | None = None


def read_classes(rows: Iterable[RawRow | BadRow], existing: Taxonomy | None = None) -> ClassFile:
    """Gives the classes of a file; rows may come in any order.

    Args:
        rows: What a reader gave, bad rows included.
        existing: The tree that the classes join; paths may continue in it, and what it has is replaced.

    Example:
        >>> found = read_classes([RawRow({"path": "Home > Kettles"}, "classes.csv", 2, 0)])
        >>> [(spec.id, spec.parent_id) for spec in found.specs], found.implied
        ([('home', None), ('home/kettles', 'home')], 1)
    """
    before = Taxonomy([]) if existing is None else existing
    drafts: dict[int, _Draft] = {}
    rejects: dict[int, BadRow] = {}
    for order, row in enumerate(rows):
        if isinstance(row, BadRow):
            rejects[order] = row
            continue
        try:
            fields, attributes = _columns(row.values)
            drafts[order] = _draft(row, fields)
            drafts[order].rest = _rest(fields, attributes)
        except _RefusedError as refused:
            rejects[order] = _reject(row, refused.code, refused.message)
        except RecursionError:
            rejects[order] = _reject(row, "bad_nesting", "a value is nested too deeply")
    placed = _Placement(before, drafts, rejects.keys())
    problems = {problem.index: problem for problem in before.check_change(spec for _, spec in placed.found)}
    for index, problem in problems.items():
        order, spec = placed.found[index]
        if spec.id not in placed.implied:
            rejects.setdefault(order, _reject(drafts[order].row, problem.code, problem.message))
    kept = [pair for index, pair in enumerate(placed.found) if index not in problems]
    needless = _needless([spec for _, spec in kept], placed.implied)
    kept = [(order, spec) for order, spec in kept if spec.id not in needless]
    return ClassFile(
        specs=[spec for _, spec in kept],
        lines={spec.id: (drafts[order].row.source, drafts[order].row.line) for order, spec in kept},
        rejects=[rejects[order] for order in sorted(rejects)],
        implied=sum(spec.id in placed.implied for _, spec in kept),
    )


def _needless(kept: Sequence[ClassSpec], implied: Mapping[str, int]) -> set[str]:
    """Implied classes that every row which needed them was rejected for; as leaves they would be answered."""
    below = Counter(spec.parent_id for spec in kept)
    parents = {spec.id: spec.parent_id for spec in kept if spec.id in implied}
    needless = set()
    for class_id in reversed([class_id for class_id in implied if class_id in parents]):
        if not below[class_id]:
            needless.add(class_id)
            below[parents[class_id]] -= 1
    return needless


def _reject(row: RawRow, code: str, message: str) -> BadRow:
    return BadRow(clip(row.values), row.source, row.line, row.position, code, message)


@dataclass(eq=False)
class _RefusedError(Exception):
    code: str
    message: str


@dataclass(slots=True)
class _Draft:
    """A row whose fields are read and whose place is open; the path is empty where only a parent is given."""

    row: RawRow
    id: str | None
    name: str
    parent: str | None
    path: tuple[str, ...]
    rest: dict[str, Any] = field(default_factory=dict)


class _Placement:
    """Finds the id and the parent of every draft.

    Attributes:
        found: Row order and class, in the order of the file.
        implied: Ids of the classes made up from paths, parents first, each with the first row that needs it.
    """

    def __init__(self, before: Taxonomy, drafts: Mapping[int, _Draft], failed: Container[int]) -> None:
        own = {draft.id for draft in drafts.values() if draft.id}
        self._taken = own | set(before.ids())
        self._next: Counter[str] = Counter()
        self._at: dict[tuple[str | None, str], str] = {}
        self.implied: dict[str, int] = {}
        self._made: dict[str, ClassSpec] = {}
        # A class with a row of its own stands where that row says; a live one comes before a retired one.
        others = [spec for spec in before if spec.id not in own]
        for spec in sorted(others, key=lambda spec: not before.is_live(spec.id)):
            self._at.setdefault((spec.parent_id, _fold(spec.name)), spec.id)
        specs: dict[int, ClassSpec] = {}
        for order, draft in sorted(drafts.items(), key=lambda pair: _turn(pair[1])):
            spec = self._place(order, draft)
            # What is below a row that failed already is refused with it, as below any class without a name.
            specs[order] = replace(spec, name="") if order in failed else spec
        made = [(order, self._made[class_id]) for class_id, order in self.implied.items()]
        # Stable: of one row, first the classes that its path implies, from the root down, then its own.
        self.found = sorted([*made, *specs.items()], key=lambda pair: pair[0])

    def _place(self, order: int, draft: _Draft) -> ClassSpec:
        parent = draft.parent
        if parent is None:
            for depth in range(1, len(draft.path)):
                parent = self._step(order, parent, draft.path[:depth])
        key = (parent, _fold(draft.name))
        class_id = draft.id or self._at.get(key)
        if class_id is None:
            prefix = "" if draft.path or parent is None else f"{parent}/"
            class_id = self._new_id(prefix + slug_id(draft.path or (draft.name,)))
        self._at.setdefault(key, class_id)
        return ClassSpec(id=class_id, name=draft.name, parent_id=parent, **draft.rest)

    def _step(self, order: int, parent: str | None, path: tuple[str, ...]) -> str:
        """The class at a path below a known parent, made up where there is none."""
        key = (parent, _fold(path[-1]))
        class_id = self._at.get(key)
        if class_id is None:
            class_id = self._at[key] = self._new_id(slug_id(path))
            self._made[class_id] = ClassSpec(id=class_id, name=path[-1], parent_id=parent)
        if class_id in self._made:
            self.implied[class_id] = min(order, self.implied.get(class_id, order))
        return class_id

    def _new_id(self, wanted: str) -> str:
        class_id = wanted
        while class_id in self._taken:
            self._next[wanted] += 1
            class_id = f"{wanted}-{self._next[wanted] + 1}"
        self._taken.add(class_id)
        return class_id


def _turn(draft: _Draft) -> tuple[bool, bool, int]:
    """When a draft is placed: those with a parent, then by depth, so that a path meets the rows above it."""
    return (draft.parent is None, draft.parent is not None and draft.id is None, len(draft.path))


def _fold(name: str) -> str:
    return " ".join(name.split()).casefold()


def slug_id(path: Sequence[str]) -> str:
    """Gives an id that is made from the names of a path, in letters, digits and hyphens of any script.

    Example:
        >>> slug_id(("Home & Garden", "Kettles, 2 l")), slug_id(("Küche",))
        ('home-garden/kettles-2-l', 'küche')
    """
    slug = "/".join(_slug(name) for name in path)
    spare = MAX_ID_BYTES - 32
    if len(slug.encode()) <= spare:
        return slug
    start = slug.encode()[:spare].decode(errors="ignore")
    return f"{start}-{hashlib.sha256(slug.encode()).hexdigest()[:12]}"


def _slug(name: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    # Marks belong to the letter before them: without, words of Indic scripts would fall to pieces.
    kept = "".join(char if char.isalnum() or unicodedata.category(char)[0] == "M" else "-" for char in folded)
    return re.sub("-+", "-", kept).strip("-") or "class"


def _draft(row: RawRow, fields: Mapping[str, Any]) -> _Draft:
    path = _path(fields.get("path"))
    parent = _text("parent", fields.get("parent_id", fields.get("parent")))
    name = _text("name", fields.get("name")) or (path[-1] if path else None)
    if name is None:
        raise _RefusedError(code="missing_name", message="the row has neither a name nor a path")
    if parent is None and path and _fold(path[-1]) != _fold(name):
        ends = f"the path ends in {path[-1]!r} and the name is {name!r}"
        raise _RefusedError(code="bad_path", message=f"{ends}; a path ends in the class itself")
    where = path or ((name,) if parent is None else ())
    return _Draft(row, _text("id", fields.get("id")), name, parent, where)


def _rest(fields: Mapping[str, Any], attributes: Mapping[str, Any]) -> dict[str, Any]:
    texts = {column: _texts(column, fields.get(column)) for column in _LISTS}
    texts["descriptions"] = (*_sentence(fields.get("description")), *texts["descriptions"])
    return texts | {
        "vector": _vector(fields.get("vector")),
        "assignable": _boolean(fields.get("assignable", fields.get("label"))),
        "state": fields.get("state", ClassState.ACTIVE),
        "attributes": attributes,
    }


def _columns(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Known fields by their name, and everything else; what is empty is in neither."""
    fields: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    whole: dict[str, Any] = {}
    for column, value in values.items():
        if _is_empty(value):
            continue
        known = re.sub(r"[\s-]+", "_", str(column).strip().casefold())
        if known == "attributes" and isinstance(parsed := _parsed(value, dict), dict):
            whole |= {str(key): _plain(inner) for key, inner in parsed.items()}
        elif known == "state" and str(value).strip().casefold() in _STATES:
            fields[known] = _STATES[str(value).strip().casefold()]
        elif known in _COLUMNS and known not in fields:
            fields[known] = value
        else:
            attributes[str(column)] = _plain(value)
    return fields, attributes | whole


def _is_empty(value: object) -> bool:
    if isinstance(value, str):
        return not value.strip()
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, Sequence | Mapping) and not value)


def _plain(value: object) -> object:
    """The value as JSON can hold it; Parquet has dates, decimals and bytes too."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | None) else str(value)


def _parsed(value: object, kind: type[list[Any]] | type[dict[str, Any]] = list) -> object:
    """A list or an object that a cell of text holds as JSON; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return parsed if isinstance(parsed, kind) else value
    return value


def _text(column: str, value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _RefusedError(code=f"bad_{column}", message=f"{column} is {_short(value)}, and not a text")
    return str(value).strip()


def _short(value: object) -> str:
    return repr(value)[:80]


def _sentence(value: object) -> tuple[str, ...]:
    value = _parsed(value)
    return _texts("description", value if isinstance(value, list | tuple) or value is None else [value])


def _texts(column: str, value: object) -> tuple[str, ...]:
    value = _parsed(value)
    if isinstance(value, str):
        value = [part.strip() for part in value.split("|")]
    if value is None:
        return ()
    listed = value if isinstance(value, list | tuple) else [value]
    return tuple(
        entry if isinstance(entry, str) else _text(column, entry) or "" for entry in listed if not _is_empty(entry)
    )


def _path(value: object) -> tuple[str, ...]:
    value = _parsed(value)
    if value is None:
        return ()
    listed = value.split(">") if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or any(_is_empty(name) for name in listed):
        raise _RefusedError(code="bad_path", message=f"path is {_short(value)}, and not a list of names or 'A > B > C'")
    return tuple(_text("path", name) or "" for name in listed)


def _boolean(value: object) -> bool | None:
    if value is None:
        return None
    found = _YES_NO.get(str(_text("label", int(value) if isinstance(value, bool) else value)).casefold())
    if found is None:
        allowed = f"assignable (or label) is one of {', '.join(_YES_NO)}"
        raise _RefusedError(
            code="bad_label", message=f"{_short(value)} does not say whether items may be assigned; {allowed}"
        )
    return found


def _vector(value: object) -> tuple[float, ...] | None:
    value = _parsed(value)
    if _is_empty(value):
        return None
    listed = value.split("|") if isinstance(value, str) else value
    try:
        vector = tuple(float(number) for number in listed) if isinstance(listed, Iterable) else ()
    except (TypeError, ValueError, OverflowError):
        vector = ()
    if not any(vector) or not all(math.isfinite(number) for number in vector):
        raise _RefusedError(
            code="bad_vector",
            message=f"vector is {_short(value)}, and not finite numbers that are not all zero",
        )
    return vector


def sniff_taxonomy(first_lines: Sequence[str]) -> Literal["google", "shopify"] | None:
    """Gives which published taxonomy text the first lines of a file belong to, or None.

    Example:
        >>> sniff_taxonomy(["# Google_Product_Taxonomy_Version: 2021-09-21", "1 - Animals & Pet Supplies"])
        'google'
        >>> sniff_taxonomy(["id,name", "1,Animals"]) is None
        True
    """
    comments = [line.lstrip("\ufeff") for line in first_lines if line.lstrip("\ufeff").startswith("#")]
    content = [text for _, text in _content(first_lines)]
    if any(line.startswith(_SHOPIFY_HEADER) for line in comments) or _all_match(_SHOPIFY_LINE, content):
        return "shopify"
    if any(line.startswith(_GOOGLE_HEADER) for line in comments) or _all_match(_GOOGLE_LINE, content):
        return "google"
    return None


def _all_match(pattern: re.Pattern[str], lines: Sequence[str]) -> bool:
    return bool(lines) and all(pattern.fullmatch(line) for line in lines)


def parse_google(lines: Iterable[str], source: str = "") -> Iterator[RawRow | BadRow]:
    """Yields a row per line of the Google product taxonomy, with ids or without.

    Example:
        >>> next(parse_google(["3237 - Animals & Pet Supplies > Live Animals"])).values
        {'id': '3237', 'path': ['Animals & Pet Supplies', 'Live Animals']}
    """
    content = list(_content(lines))
    with_ids = any(_GOOGLE_LINE.fullmatch(text) for _, text in content)
    pattern = _GOOGLE_LINE if with_ids else re.compile("()(.*)")
    return _rows(content, pattern, source, "'1 - A > B'" if with_ids else "'A > B'")


def parse_shopify(lines: Iterable[str], source: str = "") -> Iterator[RawRow | BadRow]:
    """Yields a row per line of ``categories.txt`` of the Shopify product taxonomy.

    Example:
        >>> next(parse_shopify(["gid://shopify/TaxonomyCategory/ap-1 : Animals > Live Animals"])).values
        {'id': 'ap-1', 'path': ['Animals', 'Live Animals']}
    """
    return _rows(_content(lines), _SHOPIFY_LINE, source, "'gid://shopify/TaxonomyCategory/x-1 : A > B'")


def _content(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, start=1):
        text = line.lstrip("\ufeff").strip()
        if text and not text.startswith("#"):
            yield number, text


def _rows(
    content: Iterable[tuple[int, str]], pattern: re.Pattern[str], source: str, form: str
) -> Iterator[RawRow | BadRow]:
    for position, (number, text) in enumerate(content):
        found = pattern.fullmatch(text)
        path = [name.strip() for name in found[2].split(">")] if found else []
        if found and all(path):
            values = {"id": found[1], "path": path} if found[1] else {"path": path}
            yield RawRow(values, source, number, position)
        else:
            message = f"the line is not of the form {form}"
            yield BadRow(clip(text), source, number, position, "bad_line", message)
