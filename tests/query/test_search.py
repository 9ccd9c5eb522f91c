"""Both class searches give the same, exact answers on the embedded engine."""

import numpy as np
import pytest

from nearclass.query.search import MilvusSearch, MirrorSearch
from nearclass.schemas.collections import classes_spec, key_of
from nearclass.store import Store

DIM = 16


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with Store.open(str(tmp_path_factory.mktemp("search") / "s.db")) as opened:
        yield opened


@pytest.fixture(params=["mirror", "milvus"])
def build(request, store):
    """Makes a search over given classes with the implementation under test."""

    def make(ids, vectors, biases=None):
        biases = np.zeros(len(ids), np.float32) if biases is None else np.asarray(biases, np.float32)
        if request.param == "mirror":
            return MirrorSearch(ids, vectors, biases)
        name = f"c_{request.node.name.replace('[', '_').replace(']', '').replace('-', '_')}"
        spec = classes_spec(vectors.shape[1])
        store.create(name, spec)
        rows = [
            {
                "key": key_of(one),
                "vector": vector,
                "class_id": one,
                "bias": float(bias),
                "digest": "",
                "revision": 1,
            }
            for one, vector, bias in zip(ids, vectors, biases, strict=True)
        ]
        store.upsert(name, spec, rows)
        store.flush(name)
        return MilvusSearch(store, name, len(ids), float(biases.max(initial=0.0)))

    return make


def reference(ids, vectors, biases, queries, k):
    scores = queries.astype(np.float64) @ vectors.astype(np.float64).T + np.asarray(biases)
    best = [sorted(range(len(ids)), key=lambda i, row=row: (-round(row[i], 6), ids[i]))[:k] for row in scores]
    return [[ids[i] for i in row] for row in best], [[scores[n, i] for i in row] for n, row in enumerate(best)]


def test_the_nearest_classes_come_first_with_their_inner_products(build):
    rng = np.random.default_rng(1)
    ids, vectors = [f"c{i}" for i in range(200)], unit(rng.normal(size=(200, DIM)))
    queries = unit(rng.normal(size=(40, DIM)))
    hits = build(ids, vectors).search(queries, 7)
    wanted, scores = reference(ids, vectors, np.zeros(200), queries, 7)
    assert hits.class_ids == wanted
    np.testing.assert_allclose(hits.scores, scores, atol=1e-5)


def test_equal_scores_stand_in_the_order_of_their_ids(build):
    vectors = np.tile(unit(np.ones((1, DIM))), (30, 1))
    ids = [f"c{i:02}" for i in range(30)][::-1]
    hits = build(ids, vectors).search(vectors[:1], 5)
    assert hits.class_ids == [["c00", "c01", "c02", "c03", "c04"]]


def test_a_bias_moves_a_class_however_far_down_it_was(build):
    rng = np.random.default_rng(2)
    ids, vectors = [f"c{i:03}" for i in range(120)], unit(rng.normal(size=(120, DIM)))
    biases = np.zeros(120)
    queries = unit(rng.normal(size=(10, DIM)))
    last = int(np.argsort(queries[0] @ vectors.T)[0])
    biases[last] = 3.0
    hits = build(ids, vectors, biases).search(queries, 4)
    wanted, scores = reference(ids, vectors, biases, queries, 4)
    assert hits.class_ids == wanted
    assert hits.class_ids[0][0] == ids[last]
    np.testing.assert_allclose(hits.scores, scores, atol=1e-5)


def test_fewer_classes_than_asked_for_gives_all_of_them(build):
    vectors = unit(np.random.default_rng(3).normal(size=(3, DIM)))
    hits = build(["a", "b", "c"], vectors).search(vectors, 10)
    assert hits.scores.shape == (3, 3)
    assert [row[0] for row in hits.class_ids] == ["a", "b", "c"]


def test_no_query_gives_no_answer(build):
    vectors = unit(np.random.default_rng(4).normal(size=(3, DIM)))
    hits = build(["a", "b", "c"], vectors).search(np.empty((0, DIM), np.float32), 2)
    assert hits.class_ids == []
    assert hits.scores.shape == (0, 2)


def test_ids_with_quotes_and_newlines_come_back_as_they_are(build):
    vectors = unit(np.eye(3, DIM))
    ids = ['it\'s "quoted"', "two\nlines", "back\\slash"]
    hits = build(ids, vectors).search(vectors, 1)
    assert [row[0] for row in hits.class_ids] == ids
