"""Learning in a catalogue: versions are stored, used, taken back, and survive what cuts them off."""

import pytest

from nearclass import Item
from nearclass.errors import NearclassError
from nearclass.ingest.labelled import Labelled

ITEMS = {
    "kettles": ["cordless jug 1.7 l", "steel jug with filter", "travel jug 0.5 l", "glass jug, blue light"],
    "toasters": ["two slices, wide slots", "four slices, steel", "slots for bagels", "slices with crumb tray"],
    "laptops": ["14 inch notebook 16 GB", "gaming notebook", "15.6 inch notebook i5", "light notebook 1 kg"],
    "printers": ["laser, duplex, A4", "ink jet, colour, A4", "A3 ink jet photo", "thermal labels, A6"],
    "boots": ["ankle high, lined", "waterproof, ankle high", "leather, laced, ankle high", "rubber, ankle high"],
}
LABELLED = [
    Labelled(Item(f"{class_id}-{number}", title=title), frozenset({class_id}))
    for class_id, titles in ITEMS.items()
    for number, title in enumerate(titles)
]


@pytest.fixture
def stocked(catalog):
    catalog.ingest([one.item for one in LABELLED])
    return catalog


def vectors(catalog):
    return {class_id: vector.tolist() for class_id, vector in catalog.class_vectors().items()}


def test_learning_changes_class_vectors_and_no_item_vector(stocked):
    before = vectors(stocked)
    place = stocked.items().stored._live.place
    items = stocked.store.query(place.items, fields=("key", "vector"))
    outcome = stocked.learn(LABELLED)
    assert (outcome.version, outcome.method, outcome.labels) == (1, "trained", 20)
    assert vectors(stocked) != before
    after = stocked.store.query(place.items, fields=("key", "vector"))
    assert [row["vector"].tolist() for row in after] == [row["vector"].tolist() for row in items]


def test_a_dry_run_says_what_would_move_and_changes_nothing(stocked):
    before, revision = vectors(stocked), stocked.classes.taxonomy.revision
    dry = stocked.learn(LABELLED, dry_run=True)
    assert dry.version is None
    assert (vectors(stocked), stocked.classes.taxonomy.revision, stocked.learning.versions()) == (before, revision, [])
    done = stocked.learn(LABELLED)
    assert (done.changed, done.moves) == (dry.changed, dry.moves)


def test_labels_are_learnt(stocked):
    stocked.learn(LABELLED)
    answers = stocked.assign(["jug with a spout", "slices and slots", "notebook 13 inch"])
    assert [answer.candidates[0].class_id for answer in answers] == ["kettles", "toasters", "laptops"]


OTHERS = [
    Labelled(Item("dig", title="spade with a long handle"), frozenset({"spades"})),
    Labelled(Item("jug", title="steel jug with filter, 2 l"), frozenset({"spades"})),
]


def test_evaluation_tells_classes_with_labels_from_those_without(stocked):
    rows = [*LABELLED, *OTHERS]
    before = stocked.evaluate(rows)[0]
    assert (before.seen, before.unseen, before.harmonic) == (None, None, None)
    stocked.learn(LABELLED)
    figures, judged = stocked.evaluate(rows)
    seen, unseen = ([one.right for one in judged if bool(one.truth & {"spades"}) is side] for side in (False, True))
    assert figures.seen == pytest.approx(sum(seen) / len(seen))
    assert figures.unseen == pytest.approx(sum(unseen) / len(unseen)) == pytest.approx(0.5)
    assert figures.harmonic == pytest.approx(2 * figures.seen * figures.unseen / (figures.seen + figures.unseen))


def test_where_all_rows_are_of_classes_with_labels_an_evaluation_has_no_unseen_side(stocked):
    stocked.learn(LABELLED)
    figures = stocked.evaluate(LABELLED)[0]
    assert (figures.seen, figures.unseen, figures.harmonic) == (None, None, None)


def test_confirmed_items_and_examples_are_labels_of_their_classes_and_of_one_that_took_them_over(stocked):
    stocked.learn(LABELLED)
    assert stocked.learning.told_classes() == set(ITEMS)
    stocked.classes.merge(["boots"], "kettles")
    assert stocked.learning.told_classes() == set(ITEMS) - {"boots"}


def test_labels_given_once_count_in_every_later_learning(stocked):
    stocked.learn(LABELLED)
    assert stocked.learn().labels == 20


def test_labels_outlive_an_edit_of_their_class(stocked):
    stocked.learn(LABELLED)
    stocked.classes.edit("kettles", descriptions=("Jugs that boil water.",))
    assert stocked.learn().labels == 20


def test_confirmed_items_and_examples_are_labels(stocked):
    stocked.items().confirm(["kettles-0", "kettles-1"], "kettles")
    stocked.classes.edit("toasters", examples=("slots for four slices",))
    outcome = stocked.learn(dry_run=True)
    assert (outcome.labels, outcome.labelled_classes) == (3, 2)


def test_any_version_can_be_taken_back(stocked):
    texts = vectors(stocked)
    stocked.learn(LABELLED)
    first = vectors(stocked)
    more = [Labelled(Item("x", title="ankle high rain shoe"), frozenset({"boots"}))]
    assert stocked.learn(more).version == 2
    assert vectors(stocked) != first
    stocked.learning.use(1)
    assert vectors(stocked) == first
    stocked.learning.use(0)
    assert vectors(stocked) == texts


def test_a_version_that_does_not_exist_is_refused(stocked):
    with pytest.raises(NearclassError, match="no version 7"):
        stocked.learning.use(7)


def test_a_class_added_after_learning_is_answered_at_once(stocked):
    stocked.learn(LABELLED)
    stocked.classes.add("E-readers", parent="computers", descriptions=["Devices with an e-paper screen to read books."])
    answer = stocked.assign("6 inch e-paper screen to read books")[0]
    assert answer.candidates[0].path[-1] == "E-readers"
    assert stocked.assign("steel jug with filter")[0].candidates[0].class_id == "kettles"


def test_what_was_learnt_is_there_after_reopening(open_catalog, catalog):
    catalog.ingest([one.item for one in LABELLED])
    catalog.learn(LABELLED)
    texts = ["jug with a spout", "waterproof, ankle high", "6 inch e-paper screen"]
    answers = [answer.candidates for answer in catalog.assign(texts)]
    catalog.close()
    assert [answer.candidates for answer in open_catalog().assign(texts)] == answers


def test_a_version_that_was_cut_off_before_its_vectors_is_completed_at_open(open_catalog, catalog):
    catalog.ingest([one.item for one in LABELLED])
    catalog.learn(LABELLED)
    learnt = vectors(catalog)
    learning = catalog.learning
    learning.use(0)
    learning._text.learned.use(1)
    catalog.close()
    assert vectors(open_catalog()) == learnt


def test_stored_items_get_their_new_answers_by_reassign(stocked):
    stocked.learn(LABELLED)
    assert stocked.stale_items() == 20
    stocked.items().reassign()
    found = {item.id: item for item in stocked.items().list()}
    assert found["boots-3"].revision == stocked.classes.taxonomy.revision
    assert stocked.stale_items() == 0


def test_without_items_and_labels_there_is_nothing_to_learn(catalog):
    with pytest.raises(NearclassError, match="nothing to learn from"):
        catalog.learn()


def test_items_alone_adapt_the_classes(catalog):
    catalog.ingest([one.item for one in LABELLED])
    outcome = catalog.learn()
    assert (outcome.method, outcome.labels, outcome.held_out) == ("adapted", 0, None)
    assert outcome.version in {None, 1}


def test_an_item_labelled_with_several_right_classes_is_passed_over(stocked):
    both = Labelled(Item("x", title="jug or slots"), frozenset({"kettles", "toasters"}))
    assert stocked.learn([both], dry_run=True).labels == 0


def test_the_mirror_and_milvus_agree_after_learning(catalog, open_catalog):
    catalog.ingest([one.item for one in LABELLED])
    catalog.learn(LABELLED)
    texts = [one.item.title for one in LABELLED]
    mirror = [answer.candidates for answer in catalog.assign(texts, k=3)]
    catalog.close()
    engine = [answer.candidates for answer in open_catalog(class_search="milvus").assign(texts, k=3)]
    for left, right in zip(mirror, engine, strict=True):
        assert [one.class_id for one in left] == [one.class_id for one in right]
        assert [one.score for one in left] == pytest.approx([one.score for one in right], abs=1e-4)
