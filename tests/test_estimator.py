"""The scikit-learn estimator: what it learns from, what its numbers are, and that scikit-learn takes it for its own."""

import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_classifiers_classes, parametrize_with_checks

import nearclass
from nearclass import ClassSpec, NearestClassClassifier
from nearclass.encoders.fingerprint import describe
from nearclass.encoders.resolve import resolve
from nearclass.encoders.text import TextEncoder
from nearclass.errors import SpaceMismatchError, TaxonomyError
from nearclass.schemas.records import Role

TEXTS = [
    "a red kettle",
    "boils water for tea",
    "cordless kettle, 1.7 litres",
    "spade with a long handle",
    "steel spade to dig the garden",
    "a small shovel for the soil",
    "leather boots",
    "boots for winter hikes",
    "sturdy boots that cover the ankle",
]
LABELS = ["Kettles"] * 3 + ["Spades"] * 3 + ["Boots"] * 3


def blobs(n=90, classes=3, dim=8, seed=0, noise=0.25):
    """Vectors around orthogonal directions, and which one each is around."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=n)
    return np.eye(dim)[labels] + noise * rng.standard_normal((n, dim)), labels


EXPECTED_FAILURES = {
    "check_classifiers_classes": "it labels half of two classes with -1, which stands for rows without a label",
}


@parametrize_with_checks(
    [NearestClassClassifier()], expected_failed_checks=lambda _: EXPECTED_FAILURES, xfail_strict=True
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_finds_nothing_wrong_with_it(estimator, check):
    check(estimator)


def test_the_check_that_has_a_class_called_minus_one_passes_where_that_is_a_class():
    check_classifiers_classes("NearestClassClassifier", NearestClassClassifier(unlabelled=None))


# Texts


def test_labels_in_words_are_the_texts_of_their_classes(real_encoder):
    fitted = NearestClassClassifier(encoder=real_encoder).fit(["a red kettle", "leather boots"], ["Kettles", "Boots"])
    assert fitted.classes_.tolist() == ["Boots", "Kettles"]
    assert fitted.predict(["kettle without a cord", "winter boots"]).tolist() == ["Kettles", "Boots"]


def test_a_class_without_a_label_is_answered(real_encoder):
    fitted = NearestClassClassifier(["Kettles", "Spades", "Boots"], real_encoder, adapt=False)
    fitted.fit(TEXTS[:3] + TEXTS[6:], LABELS[:3] + LABELS[6:])
    assert fitted.predict(["garden spade"]).tolist() == ["Spades"]


def test_no_label_at_all_is_needed_where_classes_are_listed(real_encoder):
    for adapt in (False, True):
        fitted = NearestClassClassifier(["Kettles", "Spades", "Boots"], real_encoder, adapt=adapt).fit(TEXTS)
        assert fitted.score(TEXTS, LABELS) > 0.8
        assert not fitted.calibrated_
        assert fitted.gain_ is None


def test_classes_may_be_described_under_labels_that_say_nothing(real_encoder):
    classes = {7: "Jugs that boil water", 3: ["Tools to dig the soil", "shovels"]}
    fitted = NearestClassClassifier(classes, real_encoder).fit(TEXTS[:6], [7, -1, -1, -1, None, float("nan")])
    assert fitted.classes_.tolist() == [3, 7]
    assert fitted.predict(TEXTS[:6]).tolist() == [7, 7, 7, 3, 3, 3]


def test_of_a_tree_of_classes_its_leaves_are_answered(real_encoder, shop):
    fitted = NearestClassClassifier(shop, real_encoder, adapt=False).fit(TEXTS)
    assert len(fitted.classes_) == 9
    assert "home" not in fitted.classes_
    assert fitted.predict(["notebook with a keyboard", "tube to water the plants"]).tolist() == ["laptops", "hoses"]


def test_numbers_as_labels_of_texts_leave_the_rows_to_say_what_a_class_is(real_encoder):
    fitted = NearestClassClassifier(encoder=real_encoder).fit(TEXTS, np.repeat([0, 1, 2], 3))
    assert fitted.predict(["kettle", "spade", "boots"]).tolist() == [0, 1, 2]


def test_adaptation_reads_rows_without_a_label_and_without_it_they_change_nothing(real_encoder):
    labels = ["Kettles", None, None, "Spades", None, None, "Boots", None, None]
    some = [0, 3, 6]
    for adapt in (False, True):
        every = NearestClassClassifier(encoder=real_encoder, adapt=adapt).fit(TEXTS, labels)
        few = NearestClassClassifier(encoder=real_encoder, adapt=adapt).fit(
            [TEXTS[row] for row in some], [LABELS[row] for row in some]
        )
        assert np.allclose(every.class_vectors_, few.class_vectors_, atol=1e-3) is not adapt


def test_words_count_beside_vectors(real_encoder):
    fitted = NearestClassClassifier(["Xylographs", "Zymographs"], real_encoder, adapt=False).fit(TEXTS)
    assert fitted.predict(["zymographs", "the xylographs"]).tolist() == ["Zymographs", "Xylographs"]


def test_a_column_of_a_table_is_texts(real_encoder):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"text": TEXTS, "label": LABELS})
    table.loc[1, "label"] = None
    fitted = NearestClassClassifier(encoder=real_encoder).fit(table["text"], table["label"])
    assert fitted.predict(table["text"]).tolist() == LABELS
    assert fitted.predict(np.asarray(TEXTS)).tolist() == LABELS


def test_an_encoder_may_be_named_and_is_loaded_once(real_encoder):
    scores = cross_val_score(NearestClassClassifier(encoder="minilm", calibrate=False), TEXTS, LABELS, cv=3)
    assert scores.mean() > 0.6
    fitted = NearestClassClassifier(encoder="minilm").fit(TEXTS, LABELS)
    assert fitted._encoder() is NearestClassClassifier()._encoder()
    assert fitted.space_ == real_encoder.space.fingerprint


def test_vectors_of_an_encoder_are_compared_with_what_it_makes_of_class_texts(real_encoder):
    vectors = real_encoder.encode(TEXTS, Role.ITEM).vectors
    fitted = NearestClassClassifier(["Kettles", "Spades", "Boots"], real_encoder, adapt=False).fit(vectors)
    assert fitted.predict(vectors).tolist() == LABELS


# Vectors


def test_vectors_without_texts_are_compared_with_the_mean_of_their_labels():
    rows, labels = blobs()
    told = np.where(np.arange(len(labels)) < 12, labels, -1)
    fitted = NearestClassClassifier().fit(rows, told)
    assert fitted.n_features_in_ == 8
    assert fitted.space_ is None
    assert fitted.score(rows, labels) > 0.95


def test_only_the_direction_of_a_vector_counts():
    rows, labels = blobs()
    fitted = NearestClassClassifier().fit(rows, labels)
    longer = rows * np.linspace(0.01, 1e6, len(rows))[:, None]
    assert np.allclose(fitted.decision_function(longer), fitted.decision_function(rows), atol=1e-5)


def test_classes_may_bring_their_own_vectors():
    classes = [ClassSpec(name, name, vector=tuple(row)) for name, row in zip("abc", np.eye(3).tolist(), strict=True)]
    rows = np.array([[1, 0.1, 0], [0, 1, 0.1], [0, 0.1, 1]])
    assert NearestClassClassifier(classes).fit(rows, [None, "b", None]).predict(rows).tolist() == ["a", "b", "c"]


def test_a_class_that_nothing_is_known_of_is_refused():
    rows, _ = blobs(4)
    with pytest.raises(ValueError, match="'b' has no labelled row"):
        NearestClassClassifier(["a", "b"]).fit(rows, ["a", "a", None, None])


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        (np.zeros((6, 3)), [0, 1, 0, 1, -1, -1]),
        (np.ones((6, 3)), [0, 1, 0, 1, -1, -1]),
        (np.array([[1.0, 2.0]]), [0]),
        (np.array([[1.0, 2.0], [2.0, 1.0]]), [0, 1]),
        (np.array([[1.0], [-1.0], [2.0]]), [0, 1, 0]),
        (np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]), [0, 0, 1]),
        (np.array([[1e300, 1.0], [1e-300, 1e-299]]), [0, 1]),
    ],
    ids=["all zero", "all alike", "one row", "two rows", "one dimension", "opposite rows of a class", "huge and tiny"],
)
def test_rows_that_say_little_give_finite_probabilities(rows, labels):
    chances = NearestClassClassifier().fit(rows, labels).predict_proba(rows)
    assert np.isfinite(chances).all()
    assert np.allclose(chances.sum(axis=1), 1)


def test_many_classes_and_few_rows_give_no_warning():
    rng = np.random.default_rng(0)
    classes = [ClassSpec(str(row), "x", vector=tuple(rng.standard_normal(5))) for row in range(100)]
    assert NearestClassClassifier(classes).fit(rng.standard_normal((3, 5))).predict(np.ones((1, 5))).shape == (1,)


# Labels


@pytest.mark.parametrize("missing", [None, float("nan"), -1])
def test_three_ways_to_say_that_there_is_no_label(missing):
    rows, labels = blobs(30)
    values = [["a", "b", "c"][label] if row < 12 else missing for row, label in enumerate(labels)]
    fitted = NearestClassClassifier().fit(rows, values)
    assert fitted.classes_.tolist() == ["a", "b", "c"]
    assert fitted.score(rows, np.array(["a", "b", "c"])[labels]) > 0.9


def test_minus_one_is_a_class_where_it_is_said_to_be():
    rows, labels = blobs(classes=2)
    fitted = NearestClassClassifier(unlabelled=None).fit(rows, 2 * labels - 1)
    assert fitted.classes_.tolist() == [-1, 1]
    assert fitted.score(rows, 2 * labels - 1) > 0.95


@pytest.mark.parametrize(
    ("classes", "y", "message"),
    [
        (None, np.array(["a", -1, "b"]), "use None for rows without a label"),
        (None, ["a", 1, "b"], "number and text"),
        (None, ["a", "b"], "X has 3 rows and y has 2"),
        (None, None, "requires y to be passed"),
        (None, [None, None, -1], "There is no class"),
        (None, [0.5, 0.1, 2.0], "Unknown label type"),
        (None, [np.inf, 1.0, 2.0], "infinity"),
        (["a"], ["a", "b", None], "no class: 'b'"),
        (["a", "a"], None, "each once"),
        ("ab", None, "it takes names"),
        ([], None, "it takes names"),
        ({}, None, "There is no class"),
        ({1: "x", "a": "y"}, None, "number and text"),
        (["a", ClassSpec("b", "B")], None, "it takes names"),
    ],
)
def test_labels_and_classes_that_do_not_fit_are_refused(classes, y, message):
    with pytest.raises(ValueError, match=message):
        NearestClassClassifier(classes).fit(np.eye(3), y)


def test_classes_without_their_parents_are_refused():
    with pytest.raises(TaxonomyError, match="parent"):
        NearestClassClassifier([ClassSpec("a", "A", parent_id="b")]).fit(np.eye(3))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("one text", "give a list of texts"),
        (["a", None], "row 1 is None"),
        ([], "Expected 2D array"),
        ([1.0, 2.0], "Expected 2D array"),
        ([[1.0, np.nan]], "contains NaN"),
    ],
)
def test_rows_that_are_neither_texts_nor_vectors_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        NearestClassClassifier(["a", "b"]).fit(rows)


def test_sparse_rows_are_refused_in_words():
    with pytest.raises(TypeError, match="Sparse data was passed"):
        NearestClassClassifier().fit(csr_matrix(np.eye(3)), [0, 1, 2])


def test_a_device_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="device='gpu'"):
        NearestClassClassifier(["a"], device="gpu").fit(["a"])


def test_who_was_fitted_on_one_kind_of_rows_refuses_the_other(real_encoder):
    fitted = NearestClassClassifier(encoder=real_encoder).fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match="Fitted on texts"):
        fitted.predict(np.eye(384))
    fitted.fit(np.eye(3), ["a", "b", "c"])
    with pytest.raises(ValueError, match="Fitted on vectors"):
        fitted.predict(TEXTS)
    assert fitted.fit(TEXTS, LABELS).predict(TEXTS).tolist() == LABELS
    assert not hasattr(fitted, "n_features_in_")


# Numbers


def test_probabilities_of_many_labels_are_as_often_right_as_they_say():
    rows, labels = blobs(900, classes=4, noise=0.6)
    fitted = NearestClassClassifier().fit(rows[:300], labels[:300])
    assert fitted.calibrated_
    chances = fitted.predict_proba(rows[300:])
    assert abs(chances.max(axis=1).mean() - fitted.score(rows[300:], labels[300:])) < 0.05
    raw = NearestClassClassifier(calibrate=False).fit(rows[:300], labels[:300])
    assert raw.temperature_ == 0.05
    assert not raw.calibrated_
    truth = np.arange(600), labels[300:]
    assert -np.log(chances[truth]).mean() < -np.log(raw.predict_proba(rows[300:])[truth]).mean()


def test_perfect_labels_do_not_make_anything_certain():
    rows, labels = blobs(300, noise=0.01)
    fitted = NearestClassClassifier().fit(rows, labels)
    assert fitted.calibrated_
    assert 0.9 < fitted.predict_proba(rows).max() < 1 - 1e-4


def test_few_labels_calibrate_nothing():
    rows, labels = blobs(300)
    few = np.where(np.arange(300) < 40, labels, -1)
    assert not NearestClassClassifier().fit(rows, few).calibrated_


def test_the_gain_is_told_where_there_were_texts_to_gain_over(real_encoder):
    texts = [f"{text} number {number}" for number in range(10) for text in TEXTS]
    named = NearestClassClassifier(encoder=real_encoder, calibrate=False).fit(texts, LABELS * 10)
    assert named.gain_.n >= 20
    assert named.gain_.after > 0.9
    rows, labels = blobs(300)
    assert NearestClassClassifier().fit(rows, labels).gain_ is None


def test_of_two_classes_the_score_is_that_of_the_second():
    rows, labels = blobs(classes=2)
    fitted = NearestClassClassifier().fit(rows, labels)
    assert ((fitted.decision_function(rows) > 0) == fitted.predict(rows)).all()
    assert fitted.decision_function(rows).shape == (90,)


# In scikit-learn's tools


def test_it_works_in_pipelines_and_searches():
    rows, labels = blobs()
    search = GridSearchCV(
        make_pipeline(StandardScaler(), NearestClassClassifier()),
        {"nearestclassclassifier__adapt": [True, False]},
        cv=3,
        scoring="neg_log_loss",
    )
    assert search.fit(rows, labels).best_estimator_.score(rows, labels) > 0.9


def test_texts_go_through_searches(real_encoder):
    search = GridSearchCV(NearestClassClassifier(encoder=real_encoder), {"adapt": [True, False]}, cv=3)
    assert search.fit(TEXTS, LABELS).best_score_ > 0.6


def test_a_clone_shares_the_model_and_nothing_that_was_learnt(real_encoder):
    fitted = NearestClassClassifier(encoder=real_encoder, adapt=False).fit(TEXTS, LABELS)
    copy = clone(fitted)
    assert copy.encoder is real_encoder
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "classes_")


def test_a_pickle_holds_no_model_and_gives_the_same_answers(real_encoder):
    fitted = NearestClassClassifier(encoder=real_encoder).fit(TEXTS, LABELS)
    held = pickle.dumps(fitted)
    assert len(held) < 200_000
    again = pickle.loads(held)
    assert again.encoder == "minilm"
    assert fitted.encoder is real_encoder
    assert np.allclose(again.predict_proba(TEXTS), fitted.predict_proba(TEXTS), atol=1e-2)


def test_another_encoder_than_it_was_fitted_with_is_refused(real_encoder):
    fitted = NearestClassClassifier(encoder=real_encoder).fit(TEXTS, LABELS)
    prompted = describe(resolve("minilm"), item_prompt="query: ")
    with pytest.raises(SpaceMismatchError, match="not the one"):
        fitted.set_params(encoder=TextEncoder(prompted)).predict(TEXTS)


def test_the_example_of_the_documentation_prints_what_it_says(real_encoder, capsys):
    page = (Path(nearclass.__file__).parent / "docs" / "scikit-learn.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    exec(compile(code, "scikit-learn.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == re.findall(r"\)  # (.+)$", code, re.MULTILINE)


def test_importing_the_package_does_not_import_scikit_learn():
    code = (
        "import sys, nearclass; print('sklearn' in sys.modules); "
        "nearclass.NearestClassClassifier; print('sklearn' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "False"]
