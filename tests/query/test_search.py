"""Both class searches give the same, exact answers on the embedded engine."""

import numpy as np
import pytest
from scipy import sparse

from nearclass.learn.lexical import COLUMNS
from nearclass.query.lexical import LexicalIndex
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

    def make(ids, vectors, biases=None, lexical=None):
        biases = np.zeros(len(ids), np.float32) if biases is None else np.asarray(biases, np.float32)
        if request.param == "mirror":
            return MirrorSearch(ids, vectors, biases, lexical)
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
        return MilvusSearch(store, name, ids, biases, lexical)

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


def grams(rng, rows, share):
    """Random features of the first forty columns."""
    values = rng.random((rows, 40)) * (rng.random((rows, 40)) < share)
    return sparse.hstack([sparse.csr_matrix(values, dtype=np.float32), sparse.csr_matrix((rows, COLUMNS - 40))]).tocsr()


@pytest.mark.parametrize("weight", [1, 20, 300])
def test_what_is_shared_in_words_counts_however_far_down_a_class_was(build, weight):
    rng = np.random.default_rng(5)
    ids, vectors = [f"c{i:03}" for i in range(300)][::-1], unit(rng.normal(size=(300, DIM)))
    biases, queries = rng.normal(size=300) * 0.1, unit(rng.normal(size=(60, DIM)))
    of_classes, of_items = grams(rng, 300, 0.1) * (weight / 60), grams(rng, 60, 0.2)
    added = np.asarray((of_items @ of_classes.T).todense(), np.float64)
    hits = build(ids, vectors, biases, LexicalIndex(ids, of_classes)).search(queries, 4, of_items)
    wanted, scores = reference(ids, vectors, biases + added, queries, 4)
    assert hits.class_ids == wanted
    np.testing.assert_allclose(hits.scores, scores, atol=1e-5)


def test_items_without_words_are_compared_by_their_vectors_alone(build):
    rng = np.random.default_rng(6)
    ids, vectors = [f"c{i}" for i in range(50)], unit(rng.normal(size=(50, DIM)))
    search = build(ids, vectors, None, LexicalIndex(ids, grams(rng, 50, 0.3)))
    wanted, _ = reference(ids, vectors, np.zeros(50), vectors, 3)
    assert search.search(vectors, 3).class_ids == wanted
    assert search.search(vectors, 3, sparse.csr_matrix((50, COLUMNS), dtype=np.float32)).class_ids == wanted


def test_a_class_without_words_of_its_own_scores_as_before(build):
    rng = np.random.default_rng(7)
    ids, vectors = [f"c{i:02}" for i in range(40)], unit(rng.normal(size=(40, DIM)))
    of_classes, of_items = grams(rng, 40, 0.3), grams(rng, 10, 0.3)
    hits = build(ids, vectors, None, LexicalIndex([*ids[10:], "x"], of_classes[:31])).search(vectors[:10], 5, of_items)
    added = np.zeros((10, 40))
    added[:, 10:] = np.asarray((of_items @ of_classes[:30].T).todense())
    wanted, _ = reference(ids, vectors, added, vectors[:10], 5)
    assert hits.class_ids == wanted


def test_equal_sums_stand_in_the_order_of_their_ids(build):
    rng = np.random.default_rng(8)
    vectors, of_class = np.tile(unit(np.ones((1, DIM))), (90, 1)), grams(rng, 1, 0.5)
    ids = [f"c{i:02}" for i in range(90)][::-1]
    hits = build(ids, vectors, None, LexicalIndex(ids, sparse.vstack([of_class] * 90).tocsr())).search(
        vectors[:1], 3, of_class
    )
    assert hits.class_ids == [["c00", "c01", "c02"]]


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
