"""Moving a catalogue to another encoder: what is brought along, how it switches, how it goes back."""

import random
import threading
import time

import numpy as np
import pytest
from remembering import RememberingEncoder
from stored import items_of
from thorough import times

from nearclass import Catalog, Item, Settings
from nearclass.encoders.fingerprint import describe
from nearclass.encoders.resolve import resolve
from nearclass.errors import ModelNotFoundError, NearclassError, SpaceMismatchError, UsageError
from nearclass.ingest.labelled import Labelled
from nearclass.ingest.making import ItemMaker
from nearclass.ingest.reembed import SpaceFilling
from nearclass.schemas.records import Role
from nearclass.store.spaces import SpaceCollections

GOODS = (
    ("kettle", "steel jug kettle, 1.7 litres", "kettles"),
    ("toaster", "toaster with two slots", "toasters"),
    ("laptop", "notebook computer, 14 inch", "laptops"),
    ("tablet", "tablet with a 10 inch touch screen", "tablets"),
    ("printer", "laser printer, duplex", "printers"),
    ("runner", "light running shoe for men", "running"),
    ("boot", "leather boots, lined, ankle high", "boots"),
    ("spade", "garden spade with an ash handle", "spades"),
    ("hose", "garden hose, 20 m", "hoses"),
)
ITEMS = [Item(name, title=title, attributes={"price": len(title)}) for name, title, _ in GOODS]


@pytest.fixture(scope="module")
def other(tiny_model):
    """An encoder of 32 dimensions."""
    return RememberingEncoder(describe(resolve(str(tiny_model))), device="cpu", precision="float32")


@pytest.fixture
def stocked(catalog):
    catalog.ingest(ITEMS)
    return catalog


def space_of(catalog):
    return catalog.assign("a kettle")[0].space


def stray(catalog, name):
    """Documents and collections that bear the name of a space."""
    kinds = ("space", "rules", "calibration", "learner", "active_learner", "mapping")
    found = [(kind, one.name) for kind in kinds for one in catalog._state.every(kind) if one.name.startswith(name)]
    return found + [one for one in catalog.store.collections() if name in one]


def test_a_plan_says_what_would_be_done_and_writes_nothing(stocked, other, tiny_model):
    before = stocked.store.collections()
    plan = stocked.reembedding.plan(str(tiny_model))
    assert (plan.items, plan.filled, plan.classes, plan.old_dim, plan.new_dim) == (9, 0, 9, 384, 32)
    assert (plan.new, plan.learnt, plan.calibrated, plan.labels) == (other.space.name, False, False, 0)
    assert plan.items_per_s > 0
    assert plan.seconds == pytest.approx((9 + plan.class_texts) / plan.items_per_s, abs=0.1)
    assert stocked.store.collections() == before
    assert stocked.reembedding.status().step == "none"


def test_what_cannot_be_moved_to_is_refused(catalog, tmp_path, encoder):
    move = catalog.reembedding
    with pytest.raises(UsageError, match="already"):
        move.plan("minilm")
    with pytest.raises(UsageError, match="no space of pictures yet"):
        move.run("clip-b32")
    with pytest.raises(ModelNotFoundError):
        move.plan("nosuchmodel")
    with pytest.raises(UsageError, match="no move is under way"):
        move.run()
    for undo in (move.swap, move.rollback, move.drop):
        with pytest.raises(UsageError, match="no move is under way"):
            undo()
    with (
        Catalog.open(settings=Settings(uri=str(tmp_path / "empty.db")), encoder=encoder) as empty,
        pytest.raises(UsageError, match="no space of texts"),
    ):
        empty.reembedding.plan("minilm")


def test_while_a_space_is_filled_the_old_one_answers_as_before(stocked, other):
    answers, stored = stocked.assign([one.title for one in ITEMS]), stocked.items().list()
    report = stocked.reembedding.run(other)
    assert stocked.assign([one.title for one in ITEMS]) == answers
    assert stocked.items().list() == stored
    assert (report.items, report.embedded, report.agreement.items) == (9, 9, 9)
    assert sum(one.items for one in report.agreement.branches) == 9
    assert sum(one.same for one in report.agreement.branches) == report.agreement.same
    assert len(report.agreement.changed) == 9 - report.agreement.same
    assert stocked.reembedding.status().step == "filled"


def test_after_the_swap_everything_is_of_the_new_space(stocked, other, encoder):
    stocked.items().confirm(["kettle"], "kettles")
    stocked.reembedding.run(other)
    status = stocked.reembedding.swap()
    assert (status.step, status.serving, status.other) == ("swapped", other.space.name, encoder.space.name)
    assert space_of(stocked) == other.space.name
    assert stocked.encoder.space == other.space
    found = items_of(stocked, other.space)
    vectors = other.encode([one.title for one in ITEMS], Role.ITEM).vectors
    again = {one.id: one for one in stocked.assign(ITEMS, explain=False)}
    for item, vector in zip(ITEMS, vectors, strict=True):
        row = found[item.id]
        np.testing.assert_allclose(row["vector"], vector, atol=1e-5)
        assert item.id == "kettle" or (row["class_id"], row["decision"]) == (
            again[item.id].class_id or "",
            again[item.id].decision,
        )
        assert (row["title"], row["attributes"]) == (item.title, item.attributes)
    assert (found["kettle"]["confirmed_class"], found["kettle"]["class_id"]) == ("kettles", "kettles")
    assert stocked.stale_items() == 0
    assert stocked.search("garden hose", 1)[0].id in found
    assert stocked.ingest(ITEMS).unchanged == 9


def test_classes_items_and_confirmations_of_between_are_caught_up(stocked, other):
    stocked.reembedding.run(other)
    stocked.classes.add("E-readers", id="readers", parent="computers", descriptions=["Devices to read e-books on."])
    stocked.classes.retire("hoses")
    stocked.ingest([Item("new", title="an e-reader"), Item("boot", title="rubber boots, green")])
    stocked.items().delete(["spade"])
    stocked.items().confirm(["laptop"], "laptops")
    stocked.reembedding.swap()
    found = items_of(stocked, other.space)
    assert set(found) == {one.id for one in ITEMS} - {"spade"} | {"new"}
    assert found["boot"]["title"] == "rubber boots, green"
    assert found["laptop"]["confirmed_class"] == "laptops"
    assert stocked.stale_items() == 0
    for answer in stocked.assign([Item(one, title=found[one]["title"]) for one in found if one != "laptop"]):
        assert (found[answer.id]["class_id"], found[answer.id]["decision"]) == (answer.class_id or "", answer.decision)
    assert set(stocked.class_vectors()) == set(stocked.classes.taxonomy.assignable())
    vector = other.encode(["rubber boots, green"], Role.ITEM).vectors[0]
    np.testing.assert_allclose(found["boot"]["vector"], vector, atol=1e-5)


def test_going_back_loses_nothing_that_came_after_the_swap(stocked, other, encoder):
    stocked.reembedding.run(other)
    stocked.reembedding.swap()
    stocked.ingest([Item("late", title="a late kettle"), Item("hose", title="flat hose")])
    stocked.items().delete(["spade"])
    stocked.items().confirm(["boot"], "boots")
    stocked.classes.add("Gloves", id="gloves", parent="garden", descriptions=["Gloves for the garden."])
    status = stocked.reembedding.rollback()
    assert (status.step, status.serving) == ("filled", encoder.space.name)
    assert space_of(stocked) == encoder.space.name
    found = items_of(stocked, encoder.space)
    assert set(found) == {one.id for one in ITEMS} - {"spade"} | {"late"}
    assert found["boot"]["confirmed_class"] == "boots"
    assert stocked.assign("gloves for the garden")[0].class_id == "gloves"
    vectors = encoder.encode(["a late kettle", "flat hose"], Role.ITEM).vectors
    np.testing.assert_allclose([found[one]["vector"] for one in ("late", "hose")], vectors, atol=1e-5)
    assert stocked.reembedding.swap().serving == other.space.name


def test_a_move_that_is_given_up_leaves_nothing(stocked, other):
    before = stocked.store.collections()
    stocked.reembedding.run(other)
    assert stray(stocked, other.space.name)
    assert stocked.reembedding.rollback().step == "none"
    assert stray(stocked, other.space.name) == []
    assert stocked.store.collections() == before
    assert len(stocked.items().list()) == 9


def test_the_space_of_before_is_freed_when_asked(stocked, other, encoder):
    stocked.reembedding.run(other)
    with pytest.raises(UsageError, match="cannot be removed"):
        stocked.reembedding.drop()
    stocked.reembedding.swap()
    assert stocked.reembedding.drop().step == "none"
    assert stray(stocked, encoder.space.name) == []
    assert [space.name for space in stocked.spaces] == [other.space.name]
    assert len(stocked.items().list()) == 9


def test_one_move_at_a_time(stocked, other, tiny_model, tmp_path):
    import shutil

    third = shutil.copytree(tiny_model, tmp_path / "third")
    (third / "sentence_bert_config.json").write_text('{"max_seq_length": 16}')
    stocked.reembedding.run(other)
    with pytest.raises(UsageError, match="of another move is there"):
        stocked.reembedding.run(str(third))
    stocked.reembedding.swap()
    with pytest.raises(UsageError, match="of another move is there") as refused:
        stocked.reembedding.run(str(third))
    assert "drop" in refused.value.hint


def test_a_second_run_embeds_only_what_is_new(stocked, other):
    stocked.reembedding.run(other)
    stocked.ingest([Item("new", title="an e-reader")])
    assert stocked.reembedding.run().embedded == 1


def test_whoever_opens_it_later_gets_the_new_encoder_and_the_old_one_is_refused(stocked, other, encoder, tiny_model):
    stocked.reembedding.run(str(tiny_model))
    stocked.reembedding.swap()
    stocked.close()
    settings = stocked.settings
    with Catalog.open(settings=settings) as later:
        assert space_of(later) == other.space.name
    with pytest.raises(SpaceMismatchError) as refused:
        Catalog.open(settings=settings.model_copy(update={"text_encoder": "minilm"}))
    assert refused.value.exit_code == 4
    assert str(tiny_model) in refused.value.hint


def test_what_was_learnt_and_its_labels_come_along(stocked, other, encoder):
    labels = [
        Labelled(Item(f"{name}-{n}", title=f"{title} no {n}"), frozenset({class_id}))
        for name, title, class_id in GOODS
        for n in range(6)
    ]
    assert stocked.learn(labels).version == 1
    plan = stocked.reembedding.plan(other)
    assert (plan.learnt, plan.labels) == (True, 54)
    report = stocked.reembedding.run(other)
    assert report.embedded == 9 + 54
    assert report.learnt == "version 1: trained"
    stocked.reembedding.swap()
    assert stocked.learning.active_version() == 1
    assert len(stocked.learning.labelled_texts()) == 54
    stocked.learn([Labelled(Item("x", title="one more kettle"), frozenset({"kettles"}))])
    stocked.reembedding.rollback()
    assert "one more kettle" in stocked.learning.labelled_texts()
    assert stocked.encoder.space == encoder.space


def test_labels_compare_both_spaces(stocked, other):
    labels = [Labelled(Item(f"l{n}", title=title), frozenset({class_id})) for n, (_, title, class_id) in enumerate(GOODS)]  # fmt: skip
    found = stocked.reembedding.run(other, labelled=labels).accuracy
    assert found.n == 9
    assert found.old > found.new  # the other model knows nothing
    assert found.new == pytest.approx(found.old + (found.mended - found.broken) / 9)
    assert found.old_low < found.old <= found.old_high
    assert 0 < found.p <= 1


def test_a_rate_is_kept(stocked, other):
    started = time.monotonic()
    stocked.reembedding.run(other, rate=6)
    assert time.monotonic() - started > 9 / 6


def test_a_vector_that_is_not_that_of_its_text_stops_the_swap(stocked, other, encoder):
    stocked.reembedding.run(other)
    place = SpaceCollections.of("default", other.space)
    (row,) = stocked.store.query(place.items, fields=("vector", *place.specs[place.items].field_names), limit=1)
    stocked.store.upsert(place.items, place.specs[place.items], [{**row, "vector": -row["vector"]}])
    with pytest.raises(NearclassError, match="is not that of its text"):
        stocked.reembedding.swap()
    assert space_of(stocked) == encoder.space.name


def test_what_is_written_in_the_last_moment_of_a_swap_is_in_both_spaces(stocked, other, monkeypatch):
    stocked.reembedding.run(other)
    check = SpaceFilling.check

    def late(self):
        """Between the last pass and the switch."""
        stocked.ingest([Item("late", title="a late kettle"), Item("hose", title="flat hose")])
        stocked.items().delete(["spade"])
        stocked.items().confirm(["boot"], "boots")
        stocked.classes.add("Gloves", id="gloves", parent="garden", descriptions=["Gloves for the garden."])
        return check(self)

    monkeypatch.setattr(SpaceFilling, "check", late)
    stocked.reembedding.swap()
    found = items_of(stocked, other.space)
    assert set(found) == {one.id for one in ITEMS} - {"spade"} | {"late"}
    assert found["hose"]["title"] == "flat hose"
    assert found["boot"]["confirmed_class"] == "boots"
    assert "gloves" in stocked.class_vectors()
    assert all(row["decision"] for row in found.values())


def test_an_ingest_that_goes_on_over_a_swap_loses_nothing(stocked, other):
    stocked.reembedding.run(other)
    with stocked.writing() as writer:
        for start in range(0, 400, 100):
            if start == 200:
                stocked.reembedding.swap()
            assert writer.write([Item(f"m{n}", title=f"kettle {n}") for n in range(start, start + 100)]).ok == 100
        writer.flush()
    assert writer.space == other.space.name
    assert stocked.items().count() == len(items_of(stocked, other.space)) == 409


def test_labels_that_were_learnt_from_during_a_swap_are_not_acknowledged(stocked, other, monkeypatch):
    stocked.reembedding.run(other)
    stocked._spaces.prepare("text", other.space.name)
    with pytest.raises(NearclassError, match="moved from the space"):
        stocked.learn([Labelled(Item("a", title="a kettle"), frozenset({"kettles"}))])


def test_items_asked_for_before_a_swap_are_not_changed_after_it(stocked, other):
    items = stocked.items()
    stocked.reembedding.run(other)
    stocked.reembedding.swap()
    with pytest.raises(NearclassError, match="answers from"):
        items.confirm(["boot"], "boots")


def test_a_question_that_a_swap_falls_into_is_answered_by_the_space_it_began_with(stocked, other, monkeypatch):
    stocked.reembedding.run(other)
    questions = [title for _, title, _ in GOODS]
    answers, found = stocked.assign(questions), stocked.search("a kettle", 5)
    pair = stocked._answers._pair

    def swapped_then():
        read = pair()
        monkeypatch.setattr(stocked._answers, "_pair", pair)
        stocked.reembedding.swap()
        return read

    monkeypatch.setattr(stocked._answers, "_pair", swapped_then)
    assert stocked.assign(questions) == answers
    assert space_of(stocked) == other.space.name
    stocked.reembedding.rollback()
    monkeypatch.setattr(stocked._answers, "_pair", swapped_then)
    assert stocked.search("a kettle", 5) == found
    assert stocked.search("a kettle", 5) != found


def test_a_chunk_that_a_swap_falls_into_is_in_both_spaces(stocked, other, monkeypatch):
    stocked.reembedding.run(other)
    embed = ItemMaker.embed

    def swapped_then(self, *given):
        monkeypatch.setattr(ItemMaker, "embed", embed)
        stocked.reembedding.swap()
        embed(self, *given)

    monkeypatch.setattr(ItemMaker, "embed", swapped_then)
    assert stocked.ingest([Item("late", title="a late kettle")]).ok == 1
    assert stocked.items().get("late").decision
    vector = other.encode(["a late kettle"], Role.ITEM).vectors[0]
    np.testing.assert_allclose(items_of(stocked, other.space)["late"]["vector"], vector, atol=1e-5)


def check_swaps(catalog, other, swaps):
    """Swap there and back while threads ask; every answer is wholly of one space."""
    encoder = catalog.encoder
    catalog.reembedding.run(other)
    questions = [title for _, title, _ in GOODS]

    def told():
        answers = catalog.assign(questions)
        return [(one.class_id, one.candidates, one.evidence, one.score) for one in answers]

    def seen(query):
        return [(one.id, one.similarity) for one in catalog.search(query, 5)]

    truth, found = {}, {}
    for space in (encoder.space.name, other.space.name):
        truth[space] = told()
        found[space] = [seen(query) for query in questions]
        catalog.reembedding.swap() if space == encoder.space.name else catalog.reembedding.rollback()
    stop, errors, asked, moments = threading.Event(), [], [0, 0], random.Random(6)

    def ask(number):
        try:
            while not stop.is_set():
                answers = catalog.assign(questions)
                (space,) = {one.space for one in answers}
                assert {piece.space for one in answers for piece in one.evidence} == {space}
                assert [(one.class_id, one.candidates, one.evidence, one.score) for one in answers] == truth[space]
                place = number % len(questions)
                got = seen(questions[place])
                assert got in [found[name][place] for name in found]
                asked[number % 2] += 1
                time.sleep(moments.uniform(0, 0.1))  # three that never rest would leave the swaps no time
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(swaps):
            status = catalog.reembedding.rollback() if number % 2 else catalog.reembedding.swap()
            assert status.serving == (encoder if number % 2 else other).space.name
            assert not errors, errors[0]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not errors, errors[0]
    assert sum(asked) > swaps / 4


def test_swaps_under_questions_never_fail_and_never_mix(stocked, other):
    check_swaps(stocked, other, 10)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_swaps_under_questions_never_fail_and_never_mix(stocked, other):
    check_swaps(stocked, other, times(40, 200))
