"""Embedding: nearclass's encoder beside SentenceTransformer.encode on the same texts, model and threads.

The peer is what one would write by hand: ``SentenceTransformer(path).encode(texts, batch_size=64)``. ``auto`` is not
timed apart: it is one of the two precisions, and the table says which.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import common
from common import Options, Table

SETS = (common.BIGBASKET, "intents_banking77", "products_mwpd_gpc")
PARTS = 10
LEAST_ROUNDS = 3
MOST_ROUNDS = 3 * PARTS
BUDGET_S = 95.0
"""For one set: with long texts the rounds end before all parts were looked at, and the table says how many were."""

QUICK_TEXTS = 90
_HOW = f"A round is one of {PARTS} like parts of the texts, taken by all encoders in turn; medians over the rounds."


def measure(options: Options) -> Iterator[Table]:
    """One table: a row for each set and each way to embed it."""
    n = QUICK_TEXTS if options.quick else options.more.n
    chosen = [name for name in SETS if (options.data / name).is_dir()]
    if not chosen:
        options.folder(SETS[0])
    ways = _Ways()
    print(f"Encoder: auto chose {ways.auto}; peer {ways.peer_runs}.\n", flush=True)
    rounds = LEAST_ROUNDS if options.quick else MOST_ROUNDS
    rows = [row for name in chosen for row in _rows(ways, options.folder(name) / "items.jsonl", n, rounds)]
    missing = [name for name in SETS if name not in chosen]
    yield Table(
        "Embedding, the same texts in turns",
        ("texts", "n", "encoder", "rows/s", "ratio to peer", "min cosine to peer", "rounds", "spread"),
        rows,
        [f"auto = {ways.auto}. {'Not here: ' + ', '.join(missing) + '.' if missing else ''}".strip(), _HOW],
    )


class _Ways:
    """The peer and ours in both precisions, loaded."""

    def __init__(self) -> None:
        self.auto = common.make_encoder().running
        self.ours = {name: common.make_encoder(name) for name in ("float32", "bfloat16")}
        self.runs = {name: encoder.running for name, encoder in self.ours.items()}
        self.peer = common.make_peer()
        self.peer_runs = f"{self.peer.device} {next(self.peer.parameters()).dtype}".replace("torch.", "")

    def encode(self, name: str, texts: Sequence[str]) -> Any:
        """Vectors of the texts, from the peer or from ours in a precision."""
        from nearclass.schemas.records import Role

        if name == "peer":
            return common.encode_by_peer(self.peer, texts)
        return self.ours[name].encode(texts, Role.ITEM).vectors


def _rows(ways: _Ways, path: Path, n: int, most_rounds: int) -> list[list[common.Cell]]:
    texts = common.texts_of(path, n)
    # Every tenth text, so that each part is like the whole, and the rounds are short enough to be many.
    parts = [texts[start::PARTS] for start in range(PARTS)]
    for name in ("peer", *ways.ours):
        ways.encode(name, texts[:64])
    rounds: list[_Round] = []
    began = time.perf_counter()
    while len(rounds) < most_rounds:
        rounds.append(_round(ways, parts[len(rounds) % PARTS]))
        spent = time.perf_counter() - began
        if len(rounds) >= LEAST_ROUNDS and spent / len(rounds) * (len(rounds) + 1) > BUDGET_S:
            break
    names = {"peer": f"{common.PEER}, {ways.peer_runs}"}
    names |= {one: f"nearclass {one}{_said(ways, one)}" for one in ways.ours}
    return [
        [
            path.parent.name,
            sum(map(len, parts[: len(rounds)])),
            label,
            common.median([one.rates[name] for one in rounds]),
            common.ratio([one.rates[name] for one in rounds], [one.rates["peer"] for one in rounds]),
            f"{min(one.cosines[name] for one in rounds):.5f}",
            len(rounds),
            common.spread([one.rates[name] for one in rounds]),
        ]
        for name, label in names.items()
    ]


@dataclass(frozen=True, slots=True)
class _Round:
    """Rows per second of each way, and the least cosine to the peer's vectors."""

    rates: dict[str, float]
    cosines: dict[str, float]


def _round(ways: _Ways, texts: Sequence[str]) -> _Round:
    vectors: dict[str, Any] = {}

    def encode(name: str) -> None:
        vectors[name] = ways.encode(name, texts)

    names = ("peer", *ways.ours)
    seconds = common.in_turns({name: common.timed(partial(encode, name)) for name in names}, 1)
    cosines = {name: _least_cosine(vectors["peer"], vectors[name]) for name in names}
    return _Round({name: len(texts) / taken[0] for name, taken in seconds.items()}, cosines)


def _said(ways: _Ways, precision: str) -> str:
    """What there is to say of a precision: whether auto takes it, whether it was refused."""
    if ways.runs[precision].split()[-1] != precision:
        return f" (refused here: runs {ways.runs[precision]})"
    return " (auto)" if ways.runs[precision] == ways.auto else ""


def _least_cosine(left: Any, right: Any) -> float:
    import numpy as np

    units = [one / np.linalg.norm(one, axis=1, keepdims=True) for one in (left, right)]
    return float((units[0] * units[1]).sum(axis=1).min())


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--n", type=int, default=3000, help="texts of each set (default 3000)")


if __name__ == "__main__":
    common.main(__doc__, measure, _add)
