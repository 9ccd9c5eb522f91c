"""The classes of a catalogue as documents: what is read for a change, and what is not missed."""

import pytest

from nearclass.schemas.records import ClassSpec
from nearclass.schemas.taxonomy import spec_to_dict
from nearclass.store.state import Document, State
from nearclass.store.taxonomy import TaxonomyStore


class CountingState(State):
    """Counts how often documents are read."""

    reads = 0

    def get(self, kind, name):
        self.reads += 1
        return super().get(kind, name)

    def every(self, kind, *, after_revision=None):
        self.reads += 1
        return super().every(kind, after_revision=after_revision)


@pytest.fixture
def state(lite, fresh):
    made = CountingState(lite, fresh)
    made.create()
    return made


def change(store, *specs):
    """What an editor does, without vectors."""
    store.pending()
    revision = store.save(specs)
    newest = store.newest()
    return newest, store.commit(revision)


@pytest.mark.parametrize(("shared", "reads"), [(False, 1), (True, 8)])
def test_a_change_reads_no_more_than_it_must(state, shared, reads):
    store = TaxonomyStore(state, shared=shared)
    change(store, ClassSpec("a", "A"))
    before = state.reads
    newest, after = change(store, ClassSpec("b", "B"))
    assert state.reads - before == reads
    assert [spec.id for spec in newest] == [spec.id for spec in after] == ["a", "b"]
    assert store.current() is after
    assert state.reads - before == reads


def test_what_one_process_wrote_is_what_the_next_one_reads(state):
    store = TaxonomyStore(state, shared=False)
    change(store, ClassSpec("b", "B"), ClassSpec("a", "A", synonyms=("x",), attributes={"n": [1]}))
    _, after = change(store, ClassSpec("c", "C", "b"))
    again = TaxonomyStore(state, shared=False)
    assert not again.pending()
    assert (list(again.current()), again.current().revision) == (list(after), 2)


def test_documents_ahead_of_the_head_are_seen_by_the_next_process(state):
    store = TaxonomyStore(state, shared=False)
    change(store, ClassSpec("a", "A"))
    store.save([ClassSpec("b", "B")])
    assert store.pending()
    again = TaxonomyStore(state, shared=False)
    assert again.pending()
    assert (again.newest().revision, "b" in again.newest()) == (2, True)
    again.commit(2)
    assert not again.pending()


def test_a_failed_write_does_not_count_as_written(state, monkeypatch):
    store = TaxonomyStore(state, shared=False)
    change(store, ClassSpec("a", "A"))

    def fail(*_documents):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(state, "put", fail)
        with pytest.raises(OSError, match="full"):
            store.save([ClassSpec("b", "B")])
        with pytest.raises(OSError, match="full"):
            store.commit(5)
    assert (store.pending(), store.current().revision, "b" in store.newest()) == (False, 1, False)


def test_the_documents_of_a_writer_that_was_overtaken_are_not_missed(state):
    one = TaxonomyStore(state, shared=True)
    change(one, ClassSpec("a", "A"))
    change(one, ClassSpec("b", "B"))
    late = {"spec": spec_to_dict(ClassSpec("late", "Late")), "position": 7}
    state.put(Document("class", "late", late, 1))
    newest, after = change(one, ClassSpec("c", "C"))
    assert "late" in newest
    assert "late" in after


def test_a_second_writer_is_noticed_though_it_chose_the_same_number(state):
    one, two = (TaxonomyStore(state, shared=True) for _ in range(2))
    change(one, ClassSpec("a", "A"))
    two.reload()
    first, second = one.save([ClassSpec("b", "B")]), two.save([ClassSpec("c", "C")])
    assert "b" in one.commit(first)
    assert "c" in two.commit(second)
    assert {spec.id for spec in one.reload()} == {"a", "b", "c"}
