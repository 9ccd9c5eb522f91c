"""What may be wrong with a taxonomy: found with its figures, and nothing where nothing is."""

import numpy as np
import pytest

from nearclass import ClassSpec
from nearclass.learn.lint import Texts, alike_above, lint
from nearclass.schemas.records import ClassState
from nearclass.schemas.taxonomy import Taxonomy


def unit(rows):
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)).astype(np.float32)


def texts_of(ids, seed=0, items=None, **changed):
    """Random vectors, which are far apart; ``changed`` sets some."""
    made = unit(np.random.default_rng(seed).normal(size=(len(ids), 64)))
    classes, names, descriptions = made.copy(), made.copy(), np.zeros_like(made)
    for class_id, like in changed.items():
        classes[ids.index(class_id)] = made[ids.index(like)]
    return Texts(ids, classes, names, descriptions, items)


def codes(findings):
    return [(one.code, one.classes) for one in findings]


def described(class_id, name, parent=None, **more):
    return ClassSpec(class_id, name, parent, ("It says something.",), **more)


def test_a_sound_taxonomy_has_no_finding():
    ids = list("abcdef")
    assert lint(Taxonomy([described(one, f"name {one}") for one in ids]), texts_of(ids)) == []


def test_an_empty_taxonomy_has_no_finding():
    assert lint(Taxonomy([]), Texts([], *(np.empty((0, 8), np.float32),) * 3)) == []


def test_classes_whose_vectors_are_the_same_are_alike_and_the_finding_has_ids_paths_cosine_and_command():
    ids = list("abcdef")
    taxonomy = Taxonomy([described("top", "Top"), *(described(one, f"name {one}", "top") for one in ids)])
    (found,) = lint(taxonomy, texts_of(ids, e="b"))
    assert (found.code, found.classes, found.value) == ("alike", ("e", "b"), pytest.approx(1, abs=1e-3))
    assert found.paths == (("Top", "name e"), ("Top", "name b"))
    assert found.command.startswith("nearclass classes edit e ")


def test_what_is_alike_is_measured_on_how_far_apart_classes_usually_are():
    far = unit(np.random.default_rng(0).normal(size=(50, 64)))
    near = unit(far + 3 * far[:1])
    assert alike_above(far) < alike_above(near) < 1
    assert alike_above(far[:1]) == 1


def test_a_description_nearer_to_another_name_is_found_but_not_where_the_other_is_above():
    ids = ["a", "b", "c"]
    texts = texts_of(ids)
    texts.descriptions[0] = texts.names[1]
    flat = Taxonomy([described(one, one) for one in ids])
    assert codes(lint(flat, texts)) == [("off_description", ("a", "b"))]
    below = Taxonomy([described("b", "b", assignable=True), described("a", "a", "b"), described("c", "c")])
    assert [one.code for one in lint(below, texts)] == []


def test_names_that_differ_in_case_punctuation_or_plural_are_found_under_one_parent_only():
    specs = [described("p", "P"), described("q", "Q")]
    specs += [described("a", "Wine glasses", "p"), described("b", "wine-glass", "p"), described("c", "Wine glass", "q")]
    assert codes(lint(Taxonomy(specs), texts_of(["a", "b", "c"]))) == [("same_name", ("b", "a"))]


def test_active_classes_below_a_retired_one_are_orphans():
    specs = [described("p", "P", state=ClassState.RETIRED), described("a", "A", "p"), described("b", "B")]
    (found,) = lint(Taxonomy(specs), texts_of(["b"]))
    assert (found.code, found.classes, found.command) == ("orphan", ("a", "p"), "nearclass classes restore p")


def test_groups_of_nothing_are_found():
    specs = [described("p", "P", assignable=False), described("b", "B")]
    assert codes(lint(Taxonomy(specs), texts_of(["b"]))) == [("empty_group", ("p",))]


def test_a_class_near_to_everything_is_a_hub():
    ids = [f"c{number:03}" for number in range(60)]
    texts = texts_of(ids)
    middle = np.eye(1, 64, dtype=np.float32)
    texts.classes[:] = unit(texts.classes + 0.75 * middle)
    texts.classes[7] = middle
    found = [one for one in lint(Taxonomy([described(one, one) for one in ids]), texts) if one.code == "hub"]
    assert [one.classes for one in found] == [("c007",)]
    assert found[0].value == 59


def test_stored_items_show_classes_that_take_too_many_and_those_that_never_win():
    ids = [f"c{number:02}" for number in range(12)]
    items = {"c00": 60} | dict.fromkeys(ids[1:11], 4)
    taxonomy = Taxonomy([described(one, one) for one in ids])
    assert codes(lint(taxonomy, texts_of(ids, items=items))) == [("hub", ("c00",)), ("never_wins", ("c11",))]
    assert lint(taxonomy, texts_of(ids, items={"c00": 5})) == []


def test_classes_that_say_nothing_are_named_one_by_one_or_together_where_most_are():
    specs = [described(one, one) for one in "abcde"] + [ClassSpec("x", "x"), ClassSpec("y", "y", synonyms=("why",))]
    assert codes(lint(Taxonomy(specs), texts_of([*"abcdexy"]))) == [("thin", ("x",))]
    (found,) = lint(Taxonomy([ClassSpec(one, one) for one in "abcdefgh"]), texts_of([*"abcdefgh"]))
    assert (found.code, found.value, len(found.classes)) == ("thin", 8, 5)


def test_a_class_at_another_depth_than_almost_all_is_found():
    specs = [described("p", "P"), *(described(f"c{n}", f"c{n}", "p") for n in range(19)), described("z", "z")]
    ids = sorted({spec.id for spec in specs} - {"p"})
    assert codes(lint(Taxonomy(specs), texts_of(ids))) == [("depth", ("z",))]


def test_ids_are_quoted_in_commands():
    (found,) = lint(Taxonomy([ClassSpec("a b; rm", "x"), described("c", "c")]), texts_of(["a b; rm", "c"]))
    assert "'a b; rm'" in found.command
