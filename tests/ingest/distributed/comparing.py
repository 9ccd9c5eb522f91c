"""Shards with everything in them that a plain run has to do with, and rows compared."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nearclass.schemas.collections import items_spec

WORDS = (
    "steel kettle",
    "gaming laptop",
    "leather boots",
    "garden hose",
    "running shoes",
    "bread toaster",
    "laser printer",
)


def row(number, **more):
    return {"id": f"i{number}", "title": f"{WORDS[number % 7]} {number}", "price": number / 4, **more}


def write_shards(folder):
    """Three files of both formats: bad rows, ids again in the same and in another file, a long text, a label."""
    folder.mkdir()
    first = [json.dumps(row(n)) for n in range(9)]
    first[3] = "{broken"
    first += [json.dumps({"title": "no id"}), json.dumps(row(1, title="leather boots, brown")), json.dumps(row(2))]
    (folder / "a.jsonl").write_text("\n".join(first))
    rows = [row(n, tags=["x", "y"]) for n in range(6, 14)] + [
        {"id": "long", "title": "kettle " * 600, "price": None, "tags": []}
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "b.parquet")
    last = [row(20, label="boots"), row(21, label="nowhere"), {"id": "e"}, row(0, title="garden hose"), row(4)]
    (folder / "c.jsonl").write_text("\n".join(map(json.dumps, last)))
    return folder


def stored(catalog, space=None):
    """Every stored row without the time it was written at."""
    place = catalog._live.of(space).place
    fields = ("key", "vector", *(set(items_spec(1).field_names) - {"updated_at"}))
    return {one["key"]: one for page in catalog.store.scan(place.items, fields=fields) for one in page}


def check_same(found, wanted, atol=0.0):
    """Compare rows of two catalogues: all but the last bits of what was computed."""
    assert found.keys() == wanted.keys()
    for key, expected in wanted.items():
        made = dict(found[key])
        for name in ("vector", "score", "margin", "confidence"):
            np.testing.assert_allclose(made.pop(name), expected[name], atol=atol, rtol=0)
        assert made == {name: value for name, value in expected.items() if name in made}
