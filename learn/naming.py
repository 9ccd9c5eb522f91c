"""Names for groups of items, from their own words: class-based TF-IDF of phrases; pure computation.

A phrase tells of a group when many of its items have it and few others do (Grootendorst, arXiv 2203.05794, section
3.3, with items that have a phrase in place of its occurrences, so that one long text does not decide).
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

__all__ = ["names"]

_WORD: Final = re.compile(r"[^\W_]+(?:['\u2019&-][^\W_]+)*")
_LONGEST: Final = 3
"""Words of a phrase, at most."""
_READ: Final = 400
"""Characters of a text that are read: titles come first, and long descriptions share their words with everything."""
_OTHERS: Final = 20_000
_CANDIDATES: Final = 40
_TERMS: Final = 6
_KEPT: Final = 0.5
"""A longer phrase takes the place of a shorter one that it contains, where at least this share of the items that have
the shorter one have it."""


def names(groups: Sequence[Sequence[str]], others: Sequence[str]) -> list[tuple[str, ...]]:
    """Phrases that tell of each group, the most telling first; no two groups begin with the same one.

    Args:
        groups: Texts of the items of each.
        others: Texts of other items.

    >>> names([["red kettle", "steel kettle", "a kettle"], ["jeans", "blue jeans"]], ["a shirt"])
    [('Kettle',), ('Jeans',)]
    """
    counted = [Counter(phrase for text in texts for phrase in _phrases(text)) for texts in groups]
    candidates = [{phrase: n for phrase, n in found.items() if n > 1} for found in counted]
    wanted = {phrase for found in candidates for phrase in found}
    everywhere = Counter({phrase: sum(found[phrase] for found in counted) for phrase in wanted})
    step = -(-len(others) // _OTHERS) or 1
    for text in others[::step]:
        for phrase in _phrases(text) & wanted:
            everywhere[phrase] += step
    total = len(others) + sum(len(texts) for texts in groups)
    ranked = [_ranked(found, everywhere, total, len(texts)) for found, texts in zip(candidates, groups, strict=True)]
    taken: set[str] = set()
    return [_distinct(phrases, taken) for phrases in ranked]


def _phrases(text: str) -> set[str]:
    """Runs of words of a text that neither begin nor end with a function word or a number."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS  # noqa: PLC0415 - slow to import

    words = [word.casefold() for word in _WORD.findall(text[:_READ])]
    edge = [len(word) > 1 and not word[0].isdigit() and word not in ENGLISH_STOP_WORDS for word in words]
    return {
        " ".join(words[start : start + size])
        for size in range(1, _LONGEST + 1)
        for start in range(len(words) - size + 1)
        if edge[start] and edge[start + size - 1]
    }


def _ranked(found: dict[str, int], everywhere: Counter[str], total: int, size: int) -> list[str]:
    """Phrases of one group, the most telling first, none of them part of another with as many items."""
    weights = {phrase: n / size * float(np.log((1 + total) / everywhere[phrase])) for phrase, n in found.items()}
    best = sorted(weights, key=lambda phrase: (-weights[phrase], phrase))[:_CANDIDATES]
    kept: list[str] = []
    for phrase in best:
        longest = _extended(phrase, found)
        if not any(_within(longest, one) or _within(one, longest) for one in kept):
            kept.append(longest)
    return kept


def _extended(phrase: str, found: dict[str, int]) -> str:
    """The longest phrase with this one in it that most of its items have."""
    longer = [one for one in found if _within(phrase, one) and found[one] >= _KEPT * found[phrase]]
    return min(longer, key=lambda one: (-one.count(" "), -found[one], one))


def _within(phrase: str, other: str) -> bool:
    return f" {phrase} " in f" {other} "


def _distinct(phrases: Iterable[str], taken: set[str]) -> tuple[str, ...]:
    """Six phrases in the form of names, after the first one that nobody has."""
    listed = list(phrases)
    first = next((phrase for phrase in listed if phrase not in taken), None)
    if first is None:
        return ()
    taken.add(first)
    rest = [phrase for phrase in listed if phrase != first]
    return tuple(phrase[0].upper() + phrase[1:] for phrase in [first, *rest][:_TERMS])
