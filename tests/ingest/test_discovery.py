"""Discovery in a catalogue: proposals are kept, accepted, and void once the classes are others."""

import pytest

from nearclass import ClassSpec, Item
from nearclass.errors import (
    ClassNotFoundError,
    EmptyTaxonomyError,
    NearclassError,
    StoreError,
    TaxonomyError,
    UsageError,
)
from nearclass.ingest import editing

MATCHES = [
    "did the team win the football match", "who won the football match last night", "football match tickets",
    "the football match was cancelled", "who scored in the football match", "when does the football match begin",
]  # fmt: skip
ACCOUNTS = [
    "transfer money to my bank account", "how much money is in my bank account", "open a new bank account",
    "my bank account was blocked", "what is the interest of a bank account", "close my bank account please",
]  # fmt: skip
KNOWN = ["steel kettle 1.7 l", "gaming laptop 16 GB", "rubber boots", "garden spade", "laser printer A4", "toaster"]


@pytest.fixture
def stocked(catalog):
    items = [Item(f"match-{place}", title=text) for place, text in enumerate(MATCHES)]
    items += [Item(f"account-{place}", title=text) for place, text in enumerate(ACCOUNTS)]
    catalog.ingest([*items, *(Item(f"known-{place}", title=text) for place, text in enumerate(KNOWN))])
    return catalog


def members(catalog, class_id):
    return {item.id for item in catalog.items().list(class_id=class_id)}


def number_of(proposals, word):
    return next(one.number for one in proposals if any(word in text for text in one.examples))


def test_items_that_no_class_fits_become_proposals_with_names_of_their_own_words(stocked):
    found = stocked.discover(min_size=4)
    assert {one.name for one in found} == {"Football match", "Bank account"}
    assert [one.number for one in found] == [1, 2]
    for one in found:
        assert 4 <= one.size <= 6
        assert 0 < one.similarity < one.cohesion <= 1
        assert one.nearest[-1] == stocked.classes.taxonomy[one.nearest_id].name
        assert one.parent_id is None or one.parent_id in stocked.classes.taxonomy


def test_asking_twice_gives_the_same_and_changes_nothing(stocked):
    revision = stocked.classes.taxonomy.revision
    assert stocked.discover(min_size=4) == stocked.discover(min_size=4)
    assert stocked.classes.taxonomy.revision == revision
    assert stocked.stale_items() == 0


def test_an_accepted_proposal_is_a_class_with_its_central_items_as_examples_and_gets_its_items(stocked):
    found = stocked.discover(min_size=4)
    number = number_of(found, "football")
    done = stocked.accept(number, "Matches", parent="garden", id="matches")
    assert (done.spec.id, done.spec.parent_id, done.spec.examples) == ("matches", "garden", found[number - 1].examples)
    assert {one for one in members(stocked, "matches") if one.startswith("match")} >= {
        "match-0",
        "match-1",
        "match-2",
    }
    assert done.assigned == len(members(stocked, "matches")) <= done.changed
    assert stocked.stale_items() == 0


def test_one_proposal_after_the_other_can_be_accepted_and_each_only_once(stocked):
    found = stocked.discover(min_size=4)
    stocked.accept(number_of(found, "football"), "Matches")
    stocked.accept(number_of(found, "account"), "Accounts")
    assert {"matches", "accounts"} <= set(stocked.classes.taxonomy.assignable())
    with pytest.raises(NearclassError, match="no proposal 1"):
        stocked.accept(1, "Again")


def test_what_another_process_proposed_can_be_accepted(stocked, open_catalog):
    found = stocked.discover(min_size=4)
    stocked.close()
    again = open_catalog()
    again.accept(number_of(found, "account"), "Accounts")
    assert "accounts" in again.classes.taxonomy


def test_proposals_are_void_once_the_classes_are_others(stocked):
    stocked.discover(min_size=4)
    stocked.classes.add("E-readers", parent="computers")
    with pytest.raises(NearclassError, match="made under revision") as refused:
        stocked.accept(1, "Matches")
    assert "discover` again" in refused.value.hint


def test_nothing_proposed_and_numbers_that_are_not_there_are_refused(stocked):
    with pytest.raises(NearclassError, match="nothing has been proposed"):
        stocked.accept(1, "Matches")
    stocked.discover(min_size=4)
    with pytest.raises(NearclassError, match="no proposal 9"):
        stocked.accept(9, "Matches")


def test_a_refused_class_leaves_the_proposals_as_they_were(stocked):
    found = stocked.discover(min_size=4)
    with pytest.raises(ClassNotFoundError):
        stocked.accept(1, "Matches", parent="nowhere")
    with pytest.raises(TaxonomyError):
        stocked.accept(1, "Kettles", id="kettles")
    assert stocked.accept(number_of(found, "football"), "Matches").assigned >= 3


def test_an_accept_that_is_cut_off_is_completed_at_the_next_open(stocked, open_catalog, monkeypatch):
    stocked.discover(min_size=4)

    def fail(*_args, **_kwargs):
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(editing, "sync", fail)
        with pytest.raises(StoreError):
            stocked.accept(1, "New")
    stocked.close()
    again = open_catalog()
    assert "new" in again.class_vectors()
    with pytest.raises(NearclassError, match="made under revision"):
        again.accept(1, "New too")


def test_confirmed_items_are_nobody_s_proposal(stocked):
    stocked.items().confirm([f"account-{place}" for place in range(6)], "kettles")
    assert {one.name for one in stocked.discover(min_size=4)} == {"Football match"}


def test_the_weakest_items_are_looked_at_too_where_asked_for(stocked):
    assert sum(one.size for one in stocked.discover(min_size=2)) <= 12
    every = stocked.discover(min_size=2, weakest=1.0)
    assert {one.name for one in every} >= {"Football match", "Bank account"}
    with pytest.raises(UsageError):
        stocked.discover(weakest=20)


def test_a_space_of_given_vectors_gets_the_centre_as_the_vector_of_the_class(open_catalog):
    catalog = open_catalog()
    axes = {"a": (1.0, 0, 0, 0), "b": (0, 1.0, 0, 0)}
    catalog.import_classes([ClassSpec(name, name.upper(), vector=vector) for name, vector in axes.items()], space="own")
    strange = [Item(f"s{n}", title="tent poles", vector=(-0.1 - 0.01 * n, -0.1, 0, 1.0)) for n in range(6)]
    usual = [Item(f"u{n}", title="mug", vector=(1.0, 0.1 * n, 0.1, -0.2 * n)) for n in range(6)]
    catalog.ingest([*strange, *usual], space="own")
    assert [one.name for one in catalog.discover(space="own")] == ["Tent poles"]
    assert catalog.accept(1, "Tent poles", space="own").assigned == 6


def test_sizes_below_two_and_catalogues_without_classes_are_refused(stocked, open_catalog):
    with pytest.raises(UsageError):
        stocked.discover(min_size=1)
    with pytest.raises(EmptyTaxonomyError):
        open_catalog(catalog="empty", uri=stocked.settings.uri + "2").discover()
