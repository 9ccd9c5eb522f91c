"""Where the engines differ, each with a probe that any engine answers, and what nearclass does about it.

``python tests/engines/differences.py`` writes docs/engines.md; ``test_differences.py`` holds the engines to it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["DIFFERENCES", "PAGE", "Difference", "page"]

PAGE = Path(__file__).parents[2] / "docs" / "engines.md"
DIM = 8
TIMEOUT_S = 60.0

Client = Any
Probe = Callable[[Client, str], str]


@dataclass(frozen=True)
class Difference:
    """Something that engines do in their own ways.

    Attributes:
        what: What is asked of the engine.
        lite: What Milvus Lite answers, in the words of the probe.
        server: What the server answers.
        ours: What nearclass does, so that users see no difference.
        probe: Asks it of a client, on an empty collection, which may be left full.
    """

    what: str
    lite: str
    server: str
    ours: str
    probe: Probe


def vector(position: int = 0) -> list[float]:
    return [float(place == position) for place in range(DIM)]


def row(key: str, **fields: Any) -> dict[str, Any]:
    return {"key": key, "vector": vector(), "name": "", "rank": 0} | fields


def tried(call: Callable[[], Any], done: str = "accepted") -> str:
    """What became of a call: ``done``, or refused."""
    try:
        call()
    except Exception:
        return "refused"
    return done


def keys(client: Client, name: str, **options: Any) -> list[str]:
    options = {"filter": 'key >= ""', "output_fields": ["key", "rank"], "consistency_level": "Strong"} | options
    return [found["key"] for found in client.query(name, timeout=TIMEOUT_S, **options)]


def counted(found: int) -> str:
    return f"{found} row" if found == 1 else f"{found} rows"


def read_at_once(client: Client, name: str) -> str:
    keys(client, name)  # the collection is loaded
    client.upsert(name, [row("a")], timeout=TIMEOUT_S)
    return "seen" if keys(client, name, consistency_level="Bounded") else "not seen"


def read_in_order(client: Client, name: str) -> str:
    keys(client, name)
    client.upsert(name, [row("a")], timeout=TIMEOUT_S)
    return "seen" if keys(client, name, iterator="True", limit=10) else "not seen"


def page_over_segments(client: Client, name: str) -> str:
    client.upsert(name, [row("a"), row("c")], timeout=TIMEOUT_S)
    client.flush(name, timeout=TIMEOUT_S)
    client.upsert(name, [row("b"), row("d")], timeout=TIMEOUT_S)
    keys(client, name)
    found = keys(client, name, iterator="True", reduce_stop_for_best=True, limit=10)
    return "all rows" if len(found) == 4 else "the first rows"


def insert_again(client: Client, name: str) -> str:
    client.insert(name, [row("a")], timeout=TIMEOUT_S)
    client.insert(name, [row("a")], timeout=TIMEOUT_S)
    options = {"filter": 'key == "a"', "output_fields": ["count(*)"], "consistency_level": "Strong"}
    return counted(client.query(name, timeout=TIMEOUT_S, **options)[0]["count(*)"])


def twice_in_a_batch(client: Client, name: str) -> str:
    client.upsert(name, [row("a", rank=1), row("a", rank=2)], timeout=TIMEOUT_S)
    options = {"filter": 'key == "a"', "output_fields": ["rank"], "consistency_level": "Strong"}
    rank = client.query(name, timeout=TIMEOUT_S, **options)[0]["rank"]
    return {1: "the first wins", 2: "the last wins"}[rank]


def length_of_text(client: Client, name: str) -> str:
    return tried(lambda: client.upsert(name, [row("a", name="日" * 20)], timeout=TIMEOUT_S))


def not_a_number(client: Client, name: str) -> str:
    return tried(lambda: client.upsert(name, [row("a", vector=[float("nan")] * DIM)], timeout=TIMEOUT_S), "stored")


def one_hit(client: Client, name: str, **options: Any) -> Any:
    client.upsert(name, [row("a", name="n")], timeout=TIMEOUT_S)
    options = {"limit": 1, "output_fields": ["name"], "consistency_level": "Strong"} | options
    return client.search(name, data=[vector()], timeout=TIMEOUT_S, **options)


def key_of_a_hit(client: Client, name: str) -> str:
    hit = one_hit(client, name)[0][0]
    return "by its name" if "key" in hit else "as `id`"


def fields_unasked(client: Client, name: str) -> str:
    hit = one_hit(client, name, output_fields=None)[0][0]
    return "with every field" if hit.get("entity") else "without fields"


def many_hits(client: Client, name: str) -> str:
    return tried(lambda: one_hit(client, name, limit=16_385))


def other_dimension(client: Client, name: str) -> str:
    client.upsert(name, [row("a")], timeout=TIMEOUT_S)
    try:
        client.search(name, data=[[1.0] * 5], limit=1, consistency_level="Strong", timeout=TIMEOUT_S)
    except Exception as error:
        return "refused, and said why" if "vector dimension mismatch" in str(error) else "refused, and not said why"
    return "accepted"


def grouped(client: Client, name: str) -> str:
    client.upsert(name, [row(key, name="ab"[key > "h"]) for key in "abcdefghijklmnop"], timeout=TIMEOUT_S)
    options = {"limit": 2, "output_fields": ["name"], "group_by_field": "name", "consistency_level": "Strong"}
    found = client.search(name, data=[vector()], timeout=TIMEOUT_S, **options)[0]
    groups = {hit["entity"]["name"] for hit in found}
    return "grouped" if len(groups) == len(found) == 2 else "ignored"


def template(client: Client, name: str) -> str:
    return tried(lambda: keys(client, name, filter="key in {wanted}", filter_params={"wanted": ["a"]}))


def everything(client: Client, name: str) -> str:
    client.upsert(name, [row("a")], timeout=TIMEOUT_S)
    return tried(lambda: client.query(name, filter="", output_fields=["key"], timeout=TIMEOUT_S), "every row")


def suffix(client: Client, name: str) -> str:
    client.upsert(name, [row("a", name="teapot")], timeout=TIMEOUT_S)
    return tried(lambda: keys(client, name, filter='name like "%pot"'), "found")


def drop_by_alias(client: Client, name: str) -> str:
    client.create_alias(name, f"{name}_alias", timeout=TIMEOUT_S)
    outcome = tried(lambda: client.drop_collection(f"{name}_alias", timeout=TIMEOUT_S), "the collection is dropped")
    if outcome == "refused":
        client.drop_alias(f"{name}_alias", timeout=TIMEOUT_S)
    return outcome


def odd_name(client: Client, name: str) -> str:
    from pymilvus import CollectionSchema, DataType, FieldSchema

    key = FieldSchema("key", DataType.VARCHAR, is_primary=True, max_length=8)
    schema = CollectionSchema([key, FieldSchema("vector", DataType.FLOAT_VECTOR, dim=DIM)])
    outcome = tried(lambda: client.create_collection("a-b", schema=schema, timeout=TIMEOUT_S))
    if outcome == "accepted":
        client.drop_collection("a-b", timeout=TIMEOUT_S)
    return outcome


def sparse(client: Client, name: str) -> str:
    from pymilvus import CollectionSchema, DataType, FieldSchema

    key = FieldSchema("key", DataType.VARCHAR, is_primary=True, max_length=8)
    schema = CollectionSchema([key, FieldSchema("words", DataType.SPARSE_FLOAT_VECTOR)])

    def store() -> None:
        client.create_collection(f"{name}_sparse", schema=schema, timeout=TIMEOUT_S)
        client.insert(f"{name}_sparse", [{"key": "a", "words": {3: 1.0}}], timeout=TIMEOUT_S)

    outcome = tried(store, "stored")
    client.drop_collection(f"{name}_sparse", timeout=TIMEOUT_S)
    return outcome


def unknown_index(client: Client, name: str) -> str:
    client.release_collection(name, timeout=TIMEOUT_S)
    client.drop_index(name, "vector", timeout=TIMEOUT_S)
    parameters = client.prepare_index_params()
    parameters.add_index("vector", index_type="NOSUCH", metric_type="IP")
    return tried(lambda: client.create_index(name, parameters, timeout=TIMEOUT_S, sync=False))


def deleted(client: Client, name: str) -> str:
    client.upsert(name, [row("a")], timeout=TIMEOUT_S)
    answer = client.delete(name, filter='key in ["a", "nobody"]', timeout=TIMEOUT_S)
    return "the keys asked for" if isinstance(answer, list) else f"a count, {answer['delete_count']}"


DIFFERENCES = (
    Difference(
        "a row just written is read at the default consistency",
        "seen",
        "not seen",
        "every query asks for strong consistency, which costs a call some 0.2 s; searches do where a person waits for "
        "what was just written",
        read_at_once,
    ),
    Difference(
        "the same, by a query in order of the keys that asks for strong consistency",
        "seen",
        "not seen",
        "collections are made with strong consistency as their default, because the client drops the level of such "
        "queries (pymilvus 3.0.2)",
        read_in_order,
    ),
    Difference(
        "a page of ten rows, of four rows in two segments",
        "all rows",
        "the first rows",
        "a short page is not taken for the last one: pages are asked for until one is empty",
        page_over_segments,
    ),
    Difference(
        "a key that is there is inserted again",
        "1 row",
        "2 rows",
        "every write is an upsert",
        insert_again,
    ),
    Difference(
        "one key twice in one upsert",
        "the last wins",
        "the first wins",
        "of rows with one key only the last is sent",
        twice_in_a_batch,
    ),
    Difference(
        "20 characters of three bytes for a field of 40",
        "accepted",
        "refused",
        "bytes are counted before anything is sent",
        length_of_text,
    ),
    Difference(
        "a vector with NaN",
        "stored",
        "refused",
        "refused before anything is sent, as are infinite and zero vectors",
        not_a_number,
    ),
    Difference("how a hit gives its key", "by its name", "as `id`", "read from the list of ids", key_of_a_hit),
    Difference(
        "hits without asking for fields",
        "with every field",
        "without fields",
        "the key is asked for where nothing else is",
        fields_unasked,
    ),
    Difference("16,385 hits", "accepted", "refused", "k is from 1 to 16,384 on every engine", many_hits),
    Difference(
        "a search with a vector of another dimension",
        "refused, and not said why",
        "refused, and said why",
        "the error names both dimensions and what to do",
        other_dimension,
    ),
    Difference("hits grouped by a field", "grouped", "ignored", "not used", grouped),
    Difference(
        "a filter with parameters",
        "refused",
        "refused",
        "values are escaped by one builder of filters; servers since 2.5 would take parameters",
        template,
    ),
    Difference("a query without filter and limit", "every row", "refused", "every query has one of them", everything),
    Difference("a text that ends with something", "found", "refused", "not used", suffix),
    Difference(
        "dropping a collection by its alias",
        "the collection is dropped",
        "refused",
        "refused on every engine, and the collection is named",
        drop_by_alias,
    ),
    Difference(
        "a collection called `a-b`",
        "accepted",
        "refused",
        "names are letters, digits and `_` on every engine",
        odd_name,
    ),
    Difference(
        "a sparse vector",
        "stored",
        "refused",
        "not used: the words of classes are compared in this process",
        sparse,
    ),
    Difference(
        "an index of an unknown type",
        "accepted",
        "refused",
        "FLAT on Milvus Lite, AUTOINDEX on servers, nothing else",
        unknown_index,
    ),
    Difference(
        "what deleting two keys gives, of which one is there",
        "the keys asked for",
        "a count, 2",
        "nothing is made of it: rows are counted with a query",
        deleted,
    ),
)

_HEAD = """\
# Engines

<!-- Written by tests/engines/differences.py; tests/engines/test_differences.py holds it to the engines. -->

The same suite of tests runs on every engine: Milvus Lite 3.2.2 in the process, Milvus Lite behind a URL, and a Milvus
server 2.3.5. What a `Store` promises is the same on all of them. Below that, engines differ; every line of this table is
asked of the engines by a test.

| asked of the engine | Milvus Lite | Milvus 2.3.5 | what nearclass does |
|---|---|---|---|
"""

_TAIL = """
Known, and not asked by a test: which of several rows that are as near is left out when they do not all fit into k is the
engine's choice. A server searches its index, which is not exact; `nearclass doctor --recall` says how much is found.
"""


def page() -> str:
    """docs/engines.md."""
    lines = [f"| {one.what} | {one.lite} | {one.server} | {one.ours} |" for one in DIFFERENCES]
    return _HEAD + "\n".join(lines) + "\n" + _TAIL


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
