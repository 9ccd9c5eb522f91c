"""What the tree of classes answers, and which changes it refuses."""

import json
from collections import Counter
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearclass.errors import ClassNotFoundError, TaxonomyError
from nearclass.schemas.records import ClassSpec, ClassState
from nearclass.schemas.taxonomy import Taxonomy, spec_from_dict, spec_to_dict

RETIRED = ClassState.RETIRED


def spec(class_id: str, parent: str | None = None, name: str | None = None, **rest: object) -> ClassSpec:
    return ClassSpec(class_id, class_id.title() if name is None else name, parent, **rest)  # type: ignore[arg-type]


HOME = [
    spec("kettles", "kitchen"),
    spec("home"),
    spec("pans", "kitchen"),
    spec("kitchen", "home"),
    spec("garden", "home"),
    spec("toys"),
]


@pytest.fixture
def home() -> Taxonomy:
    return Taxonomy(HOME, revision=3)


def refused(taxonomy: Taxonomy, *specs: ClassSpec) -> list[tuple[int, str]]:
    return [(problem.index, problem.code) for problem in taxonomy.check_change(specs)]


# The tree


def test_classes_come_parents_first_and_siblings_as_they_were_given(home: Taxonomy) -> None:
    assert home.ids() == ["home", "kitchen", "kettles", "pans", "garden", "toys"]
    assert [one.id for one in home] == home.ids()
    assert Taxonomy(home, 3) == home


def test_a_tree_answers_who_is_above_and_below(home: Taxonomy) -> None:
    assert home.children(None) == ["home", "toys"]
    assert home.children("kitchen") == ["kettles", "pans"]
    assert home.children("pans") == []
    assert (home.parent("pans"), home.parent("home")) == ("kitchen", None)
    assert home.ancestors("pans") == ["home", "kitchen"]
    assert home.descendants("kitchen") == ["kitchen", "kettles", "pans"]
    assert home.path("pans") == ("Home", "Kitchen", "Pans")
    assert (home.depth("toys"), home.depth("pans")) == (1, 3)
    assert home.leaves() == ["kettles", "pans", "garden", "toys"]


def test_an_empty_tree_answers_everything_with_nothing() -> None:
    empty = Taxonomy([])
    assert (len(empty), list(empty), empty.leaves(), empty.assignable()) == (0, [], [], [])
    assert empty.children(None) == []
    assert empty.common_ancestor([]) is None
    assert empty.matches("") == []
    with pytest.raises(ClassNotFoundError):
        empty.find("")


def test_the_order_of_the_classes_given_does_not_change_the_tree() -> None:
    classes = [spec("a"), spec("b", "a"), spec("c", "b"), spec("d", "c")]
    assert {tuple(Taxonomy(order).ids()) for order in permutations(classes)} == {("a", "b", "c", "d")}


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([spec("a"), spec("a")], "occurs twice"),
        ([spec("a", "ghost")], "parent 'ghost' of class 'a' does not exist"),
        ([spec("a", "b"), spec("b", "a"), spec("c")], "class 'a' is in or below a ring"),
        ([spec("a", "a")], "class 'a' is in or below a ring"),
    ],
)
def test_what_is_no_tree_is_refused(classes: list[ClassSpec], message: str) -> None:
    with pytest.raises(TaxonomyError, match=message):
        Taxonomy(classes)


def test_a_chain_deeper_than_the_stack_of_python_is_a_tree_too() -> None:
    chain = [spec(str(depth), str(depth - 1) if depth else None) for depth in range(3000)]
    taxonomy = Taxonomy(reversed(chain))
    assert taxonomy.depth("2999") == 3000
    assert len(taxonomy.descendants("0")) == 3000
    assert Taxonomy([]).check_change(chain) == []


def test_only_live_leaves_are_assignable_unless_a_class_says_otherwise() -> None:
    taxonomy = Taxonomy(
        [
            spec("a", assignable=True),
            spec("b", "a"),
            spec("c", "a", assignable=False),
            spec("d", "a", state=RETIRED),
            spec("e", "d"),
            spec("f"),
            spec("g", "f", state=RETIRED),
        ]
    )
    assert taxonomy.assignable() == ["a", "b", "f"]
    assert [one for one in taxonomy.ids() if taxonomy.is_assignable(one)] == taxonomy.assignable()
    assert [one for one in taxonomy.ids() if taxonomy.row(one)["assignable"]] == taxonomy.assignable()
    assert taxonomy.leaves() == ["b", "c", "f"]
    assert not taxonomy.is_live("e")


def test_the_common_ancestor_is_the_deepest_class_over_all(home: Taxonomy) -> None:
    assert home.common_ancestor(["kettles", "pans"]) == "kitchen"
    assert home.common_ancestor(["kettles", "garden"]) == "home"
    assert home.common_ancestor(["kettles", "kitchen"]) == "kitchen"
    assert home.common_ancestor(["kettles", "toys"]) is None


def test_changes_give_a_new_tree_and_leave_the_old_one(home: Taxonomy) -> None:
    changed = home.with_changes([spec("kitchen", None), spec("rugs", "home")], revision=4)
    assert changed.ids() == ["home", "garden", "rugs", "kitchen", "kettles", "pans", "toys"]
    assert (changed.revision, home.revision, "rugs" in home) == (4, 3, False)
    with pytest.raises(TaxonomyError, match="ring"):
        home.with_changes([spec("home", "pans")], revision=4)


def test_equal_trees_are_equal_and_hash_alike(home: Taxonomy) -> None:
    assert hash(home) == hash(Taxonomy(home, 3))
    assert home != Taxonomy(HOME, revision=4)
    assert home != "home"
    assert repr(home) == "Taxonomy(6 classes, revision=3)"


# Names


def test_a_class_is_found_by_id_then_path_then_name(home: Taxonomy) -> None:
    for text in ("pans", "Pans", "PANS", "Home>Kitchen > Pans", "home  >  kitchen>pans"):
        assert home.find(text).id == "pans"


def test_an_id_wins_over_a_path_and_a_path_over_a_name() -> None:
    taxonomy = Taxonomy([spec("1", name="Pets"), spec("2", "1", name="Pets"), spec("Pets", "2", name="Birds")])
    assert taxonomy.find("Pets").id == "Pets"
    assert taxonomy.find("pets").id == "1"
    assert taxonomy.find("Pets > Pets").id == "2"


def test_the_case_decides_only_where_it_has_to() -> None:
    taxonomy = Taxonomy([spec("r"), spec("1", "r", name="Polish"), spec("s"), spec("2", "s", name="polish")])
    assert (taxonomy.find("Polish").id, taxonomy.find("polish").id) == ("1", "2")
    with pytest.raises(TaxonomyError, match="2 classes are named 'POLISH'"):
        taxonomy.find("POLISH")


def test_an_ambiguous_name_is_answered_with_the_paths() -> None:
    taxonomy = Taxonomy([spec("a"), spec("b"), spec("1", "a", name="Other"), spec("2", "b", name="Other")])
    assert [found.id for found in taxonomy.matches("other")] == ["1", "2"]
    with pytest.raises(TaxonomyError) as caught:
        taxonomy.find("Other")
    assert not isinstance(caught.value, ClassNotFoundError)
    assert "A > Other  (id 1)" in caught.value.hint
    assert "B > Other  (id 2)" in caught.value.hint


def test_a_retired_class_is_found_only_where_no_live_one_has_the_name() -> None:
    taxonomy = Taxonomy([spec("1", name="Film", state=RETIRED), spec("2", name="Film"), spec("3", "1", name="C41")])
    assert taxonomy.find("film").id == "2"
    assert taxonomy.find("c41").id == "3"


def test_a_name_may_hold_the_separator_of_paths() -> None:
    taxonomy = Taxonomy([spec("a", name="Bags"), spec("b", "a", name="Weight > 5 kg")])
    assert taxonomy.find("Bags>Weight>5 kg").id == taxonomy.find("weight > 5 kg").id == "b"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("ketles", "Did you mean kettles (Home > Kitchen > Kettles)?"),
        ("Home > Kitchen > Panns", "Did you mean pans (Home > Kitchen > Pans)?"),
        ("xylophone", ""),
    ],
)
def test_an_unknown_class_is_answered_with_what_looks_like_it(home: Taxonomy, text: str, hint: str) -> None:
    with pytest.raises(ClassNotFoundError) as caught:
        home.find(text)
    assert caught.value.message == f"there is no class {text!r}"
    assert caught.value.hint == hint


def test_a_name_is_suggested_where_no_id_looks_alike() -> None:
    taxonomy = Taxonomy([spec("10001", name="Kettles")])
    with pytest.raises(ClassNotFoundError) as caught:
        _ = taxonomy["Ketles"]
    assert caught.value.hint == "Did you mean 10001 (Kettles)?"


@pytest.mark.parametrize("method", ["path", "parent", "children", "ancestors", "descendants", "depth", "is_live"])
def test_every_question_about_an_unknown_class_says_so(home: Taxonomy, method: str) -> None:
    with pytest.raises(ClassNotFoundError):
        getattr(home, method)("ghost")
    assert home.get("ghost") is None
    assert "ghost" not in home


# Changes


def test_a_good_change_has_no_problems(home: Taxonomy) -> None:
    assert refused(home, spec("rugs", "carpets"), spec("carpets", "home"), replace(home["pans"], name="Pots")) == []


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (spec("", name="A"), "bad_id"),
        (spec("  ", name="A"), "bad_id"),
        (spec(" a"), "bad_id"),
        (spec("a\x00b"), "bad_id"),
        (spec("a\nb"), "bad_id"),
        (spec("\ud800"), "bad_id"),
        (spec("é" * 257), "id_too_long"),
        (spec("a", name=" "), "missing_name"),
        (spec("a", "ghost"), "orphan_parent"),
        (spec("a", "a"), "cycle"),
        (spec("a", name="HOME"), "duplicate_name"),
        (spec("a", "kitchen", name="pans"), "duplicate_name"),
    ],
)
def test_a_bad_class_is_refused_with_its_code(home: Taxonomy, bad: ClassSpec, code: str) -> None:
    [problem] = home.check_change([bad])
    assert (problem.class_id, problem.code, problem.index) == (bad.id, code, 0)
    assert problem.message


@pytest.mark.parametrize("class_id", ["é" * 256, "x" * 512, "a b", "日本", "a/b:c'\"\\", "क्\u200dष"])
def test_any_other_id_is_fine(class_id: str) -> None:
    assert refused(Taxonomy([]), spec(class_id)) == []


def test_the_first_of_two_classes_with_one_id_counts() -> None:
    assert refused(Taxonomy([]), spec("a"), spec("a", name="B")) == [(1, "duplicate_id")]


def test_everything_below_a_refused_new_class_is_refused_with_it(home: Taxonomy) -> None:
    change = [spec("c", "b"), spec("b", "a"), spec("a", name=""), spec("d", "home")]
    assert refused(home, *change) == [(0, "orphan_parent"), (1, "orphan_parent"), (2, "missing_name")]
    assert "was refused" in home.check_change(change)[0].message


def test_a_refused_change_of_a_class_leaves_those_below_it(home: Taxonomy) -> None:
    assert refused(home, spec("kitchen", name=""), spec("mugs", "kitchen")) == [(0, "missing_name")]


def test_a_ring_is_refused_and_what_hangs_from_it_is_an_orphan(home: Taxonomy) -> None:
    change = [spec("a", "c"), spec("b", "a"), spec("c", "b"), spec("d", "c")]
    assert refused(home, *change) == [(0, "cycle"), (1, "cycle"), (2, "cycle"), (3, "orphan_parent")]
    assert refused(home, spec("home", "pans"), spec("x", "home")) == [(0, "cycle")]


def test_a_refused_change_may_close_a_ring_with_another_change() -> None:
    taxonomy = Taxonomy([spec("a"), spec("b", "a")])
    assert refused(taxonomy, spec("a", "b"), spec("b", None, name="")) == [(0, "cycle"), (1, "missing_name")]


def test_names_may_be_swapped_in_one_change() -> None:
    taxonomy = Taxonomy([spec("a"), spec("b")])
    assert refused(taxonomy, spec("a", name="B"), spec("b", name="A")) == []
    assert refused(taxonomy, spec("a", "ghost", name="B"), spec("b", name="A")) == [
        (0, "orphan_parent"),
        (1, "duplicate_name"),
    ]


def test_who_has_a_name_keeps_it_whatever_the_order_of_the_change(home: Taxonomy) -> None:
    edited = replace(home["toys"], synonyms=("games",))
    assert refused(home, spec("new", name="TOYS"), edited) == [(0, "duplicate_name")]


def test_a_retired_class_does_not_hold_its_name() -> None:
    taxonomy = Taxonomy([spec("a", state=RETIRED)])
    assert refused(taxonomy, spec("b", name="A")) == []
    assert refused(taxonomy, spec("b", name="A"), spec("a")) == [(1, "duplicate_name")]


IDS = st.sampled_from(["a", "b", "c", "d", "e", "f"])
SPECS = st.builds(
    ClassSpec,
    id=IDS,
    name=st.sampled_from(["X", "x", "Y", "Z", "W", ""]),
    parent_id=st.none() | IDS,
    state=st.sampled_from(list(ClassState)),
)


@given(st.lists(SPECS, max_size=10), st.lists(SPECS, max_size=10))
def test_what_is_not_refused_can_be_applied(first: list[ClassSpec], second: list[ClassSpec]) -> None:
    taxonomy = Taxonomy([])
    for revision, change in enumerate((first, second)):
        bad = {problem.index for problem in taxonomy.check_change(change)}
        good = [one for index, one in enumerate(change) if index not in bad]
        taxonomy = taxonomy.with_changes(good, revision)
        names = Counter((one.parent_id, one.name.casefold()) for one in taxonomy if one.state is ClassState.ACTIVE)
        assert max(names.values(), default=1) == 1
        assert taxonomy.check_change(list(taxonomy)) == []


@st.composite
def trees(draw: st.DrawFn) -> list[ClassSpec]:
    parents = [
        draw(st.none() | st.integers(0, index - 1)) if index else None for index in range(draw(st.integers(0, 30)))
    ]
    states = st.sampled_from([ClassState.ACTIVE, ClassState.ACTIVE, RETIRED])
    classes = [
        spec(f"c{index}", None if parent is None else f"c{parent}", state=draw(states))
        for index, parent in enumerate(parents)
    ]
    return draw(st.permutations(classes))


@given(trees())
def test_every_answer_of_a_tree_agrees_with_its_parents(classes: list[ClassSpec]) -> None:
    taxonomy = Taxonomy(classes)
    order = taxonomy.ids()
    assert sorted(order) == sorted(one.id for one in classes)
    for class_id in order:
        above = taxonomy.ancestors(class_id)
        assert all(order.index(one) < order.index(class_id) for one in above)
        assert [taxonomy.parent(one) for one in [*above, class_id]] == [None, *above]
        assert taxonomy.path(class_id) == tuple(taxonomy[one].name for one in [*above, class_id])
        below = {one for one in order if class_id in [*taxonomy.ancestors(one), one]}
        assert set(taxonomy.descendants(class_id)) == below
        assert taxonomy.is_live(class_id) == all(taxonomy[one].state is not RETIRED for one in [*above, class_id])
        assert taxonomy.find(" > ".join(taxonomy.path(class_id))).id == class_id


# Plain data

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=3).map(tuple)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
ANY_SPEC = st.builds(
    ClassSpec,
    id=st.text(max_size=10),
    name=st.text(max_size=10),
    parent_id=st.none() | st.text(max_size=10),
    descriptions=TEXTS,
    synonyms=TEXTS,
    examples=TEXTS,
    images=TEXTS,
    vector=st.none() | st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=4).map(tuple),
    assignable=st.none() | st.booleans(),
    state=st.sampled_from(list(ClassState)),
    attributes=st.dictionaries(st.text(max_size=5), JSON, max_size=3),
)


@given(ANY_SPEC)
def test_a_class_comes_back_from_json_as_it_was(one: ClassSpec) -> None:
    assert spec_from_dict(json.loads(json.dumps(spec_to_dict(one)))) == one


def test_what_is_absent_is_left_out() -> None:
    assert spec_to_dict(spec("a")) == {"id": "a", "name": "A"}
    whole = spec("a", "p", assignable=False, state=RETIRED, vector=(0.5,), images=("a.jpg",), attributes={"k": 1})
    assert spec_to_dict(whole) == {
        "id": "a",
        "name": "A",
        "parent": "p",
        "images": ["a.jpg"],
        "vector": [0.5],
        "label": False,
        "state": "retired",
        "attributes": {"k": 1},
    }


def test_stored_data_without_an_id_or_a_name_is_refused() -> None:
    with pytest.raises(TaxonomyError, match="no id and no name"):
        spec_from_dict({"parent": "a"})
