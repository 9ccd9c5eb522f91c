"""Queries and searches of any size, cut into calls that every engine answers."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ..errors import StoreError
from ..schemas.filters import All, Compare, Filter, In
from .columns import Row
from .filters import matches_nothing, only_keys, render, split
from .layout import KEY, VECTOR, described
from .rows import Vectors
from .session import Session
from .translate import TooLargeError

if TYPE_CHECKING:
    from pymilvus import MilvusClient

__all__ = ["Hit", "count", "query", "scan", "search"]

_WINDOW: Final = 16_384
"""The most rows a server returns to one query or search (Milvus documentation, limits)."""

_EF: Final = 64
"""Rows that a server's index (HNSW) keeps in view while it searches, at least k. Measured on 2.3.5 with 100,000
clustered vectors of 384 numbers: 0.97 of the nearest are found without, and all with it, in the same time."""

_MAX_QUERIES: Final = 1024
_MAX_HITS: Final = 500_000
"""Keys and scores of this many hits are some 25 MB, under the 64 MiB of a server's messages."""

_SORTED: Final = {"iterator": "True", "reduce_stop_for_best": True}
"""What the client's own iterator sends to get the smallest keys first (pymilvus 3.0.2)."""


class Hit(NamedTuple):
    """A row found: its key, its inner product with the query (higher is nearer), and the fields asked for."""

    key: str
    score: float
    fields: Mapping[str, Any]


def query(
    session: Session,
    name: str,
    where: Filter | None,
    fields: Sequence[str],
    limit: int | None,
) -> list[Row]:
    """Rows that match, in order of their keys; with a limit, those of the smallest keys."""
    if matches_nothing(where) or limit == 0:
        return []
    if limit is not None and limit < 0:
        raise StoreError(f"limit {limit} is negative")
    rows: list[Row] = []
    for part in split(where):
        if session.lite:
            rows += _query_lite(session, name, part, fields, limit)
        else:
            rows += _query_server(session, name, part, fields, limit)
    rows.sort(key=lambda row: str(row[KEY]))
    return rows[:limit]


def scan(session: Session, name: str, where: Filter | None, fields: Sequence[str], page: int) -> Iterator[list[Row]]:
    """Rows that match, in pages; a row that is deleted meanwhile may be missing, none comes twice."""
    if page < 1:
        raise StoreError(f"a page of {page} rows is too short")
    if matches_nothing(where):
        return
    if not session.lite:
        for part in split(where):
            yield from _pages(session, name, part, fields, None, size=page)
        return
    if session.engine is not None:
        yield from session.snapshot(name, [render(part) for part in split(where)]).rows(fields, page)
        return
    # Each call to Lite visits all rows, unless it names keys: so the keys are fetched once.
    keys = [row[KEY] for row in query(session, name, where, (), None)]
    for start in range(0, len(keys), page):
        rows = _by_keys(session, name, keys[start : start + page], fields)
        if rows:
            yield rows


def count(session: Session, name: str, where: Filter | None) -> int:
    """How many rows match, those just written included."""
    if matches_nothing(where):
        return 0
    total = 0
    for part in split(where):
        rows = _fetch(session, name, render(part), ["count(*)"])
        total += int(rows[0]["count(*)"])
    return total


def search(
    session: Session,
    name: str,
    vectors: Vectors,
    k: int,
    where: Filter | None,
    fields: Sequence[str],
    *,
    strong: bool,
) -> list[list[Hit]]:
    """The k rows nearest to each vector, best first, ties in order of their keys."""
    if not 1 <= k <= _WINDOW:
        raise StoreError(f"k = {k} is not from 1 to {_WINDOW}")
    if matches_nothing(where) or not len(vectors):
        return [[] for _ in range(len(vectors))]
    expression = render(where)
    size = max(1, min(_MAX_QUERIES, _MAX_HITS // k))
    found: list[list[Hit]] = []
    while len(found) < len(vectors):
        page = vectors[len(found) : len(found) + size]
        try:
            found += _search_page(session, name, page, k, expression, fields, strong=strong)
        except TooLargeError:
            if size == 1:
                raise
            size //= 2
        except StoreError as error:
            if type(error) is StoreError:  # The engine answered, and Lite's answer to this has no text.
                _check_dim(session, name, vectors.shape[1])
            raise
    if not any(found):  # rows that a server has no index of yet are passed over, and nothing is said
        _check_dim(session, name, vectors.shape[1])
    return found


def _search_page(
    session: Session,
    name: str,
    page: Vectors,
    k: int,
    expression: str,
    fields: Sequence[str],
    *,
    strong: bool,
) -> list[list[Hit]]:
    result = session.read(
        "search",
        name,
        lambda client: client.search(
            name,
            data=list(page),
            limit=k,
            filter=expression,
            # Without any, Lite would send whole rows.
            output_fields=list(fields) or [KEY],
            anns_field=VECTOR,
            search_params={"metric_type": "IP", "params": {} if session.lite else {"ef": max(_EF, k)}},
            consistency_level="Strong" if strong else "Bounded",
            timeout=session.timeout_s,
        ),
    )
    wanted = [field for field in fields if field != KEY]
    return [_hits(name, hits, wanted) for hits in result]


def _hits(name: str, hits: Any, wanted: Sequence[str]) -> list[Hit]:
    # Not by the name of the key, which older servers do not send with the hits (2.3.5).
    scored = zip(hits.ids, hits.distances, strict=True)
    if wanted and len(hits):
        _check_fields(name, hits[0]["entity"], wanted)
        pairs = zip(scored, hits, strict=True)
        found = [Hit(key, score, _fields(hit["entity"], wanted)) for (key, score), hit in pairs]
    else:
        found = [Hit(key, score, {}) for key, score in scored]
    found.sort(key=lambda hit: (-hit.score, hit.key))
    return found


def _check_fields(name: str, row: Mapping[str, Any], wanted: Sequence[str]) -> None:
    """Milvus Lite leaves out what it does not know."""
    if missing := [field for field in wanted if field not in row]:
        raise StoreError(f"collection {name!r} has no field {missing[0]!r}; it answers with {sorted(row)}")


def _fields(entity: Mapping[str, Any], wanted: Sequence[str]) -> Row:
    row = {field: entity[field] for field in wanted}
    if VECTOR in row:
        row[VECTOR] = np.asarray(row[VECTOR], dtype=np.float32)
    return row


def _check_dim(session: Session, name: str, dim: int) -> None:
    timeout_s = session.timeout_s
    answer = session.read("describe", name, lambda client: client.describe_collection(name, timeout=timeout_s))
    stored = described(answer)[VECTOR]
    if stored != f"FLOAT_VECTOR({dim})":
        raise StoreError(
            f"collection {name!r} has the vectors {stored}, and was searched with vectors of {dim} numbers",
            hint="search with the encoder that filled the collection",
        )


def _query_lite(
    session: Session,
    name: str,
    where: Filter | None,
    fields: Sequence[str],
    limit: int | None,
) -> list[Row]:
    if only_keys(where) and isinstance(where, In):
        return _by_keys(session, name, [str(value) for value in where.values], fields)
    try:
        options = {} if limit is None else {"limit": limit}
        return _fetch(session, name, render(where), fields, **_SORTED, **options)
    except TooLargeError:
        keys = [row[KEY] for row in _fetch(session, name, render(where), (), **_SORTED)]
        return _by_keys(session, name, keys[:limit], fields)


def _query_server(
    session: Session,
    name: str,
    where: Filter | None,
    fields: Sequence[str],
    limit: int | None,
) -> list[Row]:
    """In one call where all rows fit into an answer, as almost always; in pages otherwise."""
    if limit is None:
        with contextlib.suppress(TooLargeError):
            rows = _fetch(session, name, render(where), fields, limit=_WINDOW)
            if len(rows) < _WINDOW:
                return rows
    return [row for page in _pages(session, name, where, fields, limit) for row in page]


def _by_keys(session: Session, name: str, keys: Sequence[str], fields: Sequence[str]) -> list[Row]:
    """Rows with these keys, in order of the keys; in halves if an answer would be too long."""
    try:
        rows = _fetch(session, name, render(In(KEY, keys)), fields)
    except TooLargeError:
        if len(keys) == 1:
            raise
        middle = len(keys) // 2
        return _by_keys(session, name, keys[:middle], fields) + _by_keys(session, name, keys[middle:], fields)
    rows.sort(key=lambda row: str(row[KEY]))
    return rows


def _pages(
    session: Session,
    name: str,
    where: Filter | None,
    fields: Sequence[str],
    limit: int | None,
    size: int = _WINDOW,
) -> Iterator[list[Row]]:
    """Rows of a server in order of their keys: each page begins after the last key of the one before.

    A page may be short and not the last: the server ends it where the rows of one of its segments end.
    """
    after, left = Compare(KEY, ">", ""), limit
    size = min(size, _WINDOW)
    while left is None or left > 0:
        wanted = size if left is None else min(size, left)
        expression = render(after if where is None else All((where, after)))
        try:
            rows = _fetch(session, name, expression, fields, limit=wanted, **_SORTED)
        except TooLargeError:
            if wanted == 1:
                raise
            size = wanted // 2
            continue
        if not rows:
            return
        rows.sort(key=lambda row: str(row[KEY]))
        after = Compare(KEY, ">", rows[-1][KEY])
        yield rows
        left = None if left is None else left - len(rows)


def _fetch(session: Session, name: str, expression: str, fields: Sequence[str], **options: Any) -> list[Row]:
    columns = list(dict.fromkeys(fields)) or [KEY]

    def call(client: "MilvusClient") -> list[Row]:
        return list(
            client.query(
                name,
                filter=expression,
                output_fields=columns,
                consistency_level="Strong",
                timeout=session.timeout_s,
                **options,
            )
        )

    rows = session.read("query", name, call)
    if rows:
        _check_fields(name, rows[0], columns)
    if VECTOR in columns:
        for row in rows:
            row[VECTOR] = np.asarray(row[VECTOR], dtype=np.float32)
    return rows
