"""Claims of workers: what is read of them, and how much at once."""

from nearclass.store import Store
from nearclass.store.source_versions import Claim, Claims


def claim(target: str, worker: str, at_ms: int, version: int = 1) -> Claim:
    return Claim(target, worker, version, "digest", '{"event": "item.delete"}', at_ms)


def test_old_claims_are_read_some_at_a_time_each_once(store: Store, fresh: str) -> None:
    claims = Claims(store, fresh)
    old = [claim(f"t{number % 7}", f"w{number}", 1000 + number) for number in range(23)]
    claims.announce([*old, claim("t1", "alive", 5000)])
    parts: list[list[Claim]] = []
    while not parts or len(parts[-1]) == 10:
        parts.append(claims.older(2000, limit=10, after=parts[-1][-1].key if parts else ""))
    assert [len(part) for part in parts] == [10, 10, 3]
    found = [one for part in parts for one in part]
    assert found == sorted(old, key=lambda one: one.key) == claims.older(2000)


def test_the_claims_on_what_is_asked_for_are_found_until_they_are_withdrawn(store: Store, fresh: str) -> None:
    claims = Claims(store, fresh)
    first, second, other = claim("a", "w1", 1), claim("a", "w2", 2, version=4), claim("b", "w1", 3)
    claims.announce([first, second, other])
    assert set(claims.of(["a"])["a"]) == {first, second}
    assert set(claims.of(["a", "b", "c"])) == {"a", "b"}
    claims.withdraw([first, other])
    assert claims.of(["a", "b"]) == {"a": [second]}
