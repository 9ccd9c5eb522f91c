"""Batches of texts of like length."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nearclass.encoders.batching import TOKENS_PER_BATCH, by_length

_LENGTHS = st.lists(st.integers(1, 600), max_size=200)


@given(_LENGTHS, st.integers(1, 3000))
def test_every_text_is_in_exactly_one_batch(lengths: list[int], tokens: int) -> None:
    batches = [batch.tolist() for batch in by_length(lengths, tokens)]
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(batches)


@given(_LENGTHS, st.integers(1, 3000))
def test_a_batch_has_no_more_padded_tokens_than_allowed_unless_it_is_one_text(lengths: list[int], tokens: int) -> None:
    for batch in by_length(lengths, tokens):
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= tokens


@given(_LENGTHS)
def test_the_shortest_come_first_and_the_last_of_a_batch_is_its_longest(lengths: list[int]) -> None:
    in_order = [lengths[index] for batch in by_length(lengths) for index in batch]
    assert in_order == sorted(lengths)


@given(_LENGTHS)
def test_the_batches_depend_on_the_texts_alone(lengths: list[int]) -> None:
    first, second = (
        [batch.tolist() for batch in by_length(lengths)],
        [batch.tolist() for batch in by_length(np.asarray(lengths, np.int64).tolist())],
    )
    assert first == second


def test_texts_of_one_length_keep_their_order() -> None:
    assert [batch.tolist() for batch in by_length([7] * 5, 14)] == [[0, 1], [2, 3], [4]]


def test_nothing_makes_no_batch() -> None:
    assert list(by_length([])) == []


def test_a_text_longer_than_a_batch_is_a_batch_of_its_own() -> None:
    assert [batch.tolist() for batch in by_length([TOKENS_PER_BATCH + 1, 1])] == [[1], [0]]
