"""Which arithmetic is chosen; what is measured is replaced, so that every machine comes to the same."""

import numpy as np
import pytest
from numpy.typing import NDArray

from nearclass.encoders import precision
from nearclass.encoders.precision import MIN_COSINE, MIN_SPEEDUP, PROBES, choose

_EXACT = np.eye(len(PROBES), 8, dtype=np.float32)


def _same(bfloat16: bool) -> NDArray[np.float32]:
    return _EXACT


def _off_by_one_text(bfloat16: bool) -> NDArray[np.float32]:
    if not bfloat16:
        return _EXACT
    other = _EXACT.copy()
    angle = np.arccos(MIN_COSINE) * 1.1
    other[3, 3], other[3, 7] = np.cos(angle), np.sin(angle)
    return other


def _not_asked(bfloat16: bool) -> NDArray[np.float32]:
    pytest.fail("nothing has to be encoded to decide this")


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch) -> object:
    def set_to(times: float) -> None:
        monkeypatch.setattr(precision, "bfloat16_speedup", lambda _device: times)

    return set_to


def test_bfloat16_is_taken_where_it_is_faster_and_equivalent(speed) -> None:
    speed(MIN_SPEEDUP + 0.1)
    assert choose("auto", "cpu", _same)


def test_float32_is_kept_where_bfloat16_is_slower_and_nothing_is_encoded_to_see_it(speed) -> None:
    speed(MIN_SPEEDUP - 0.1)
    assert not choose("auto", "cpu", _not_asked)


def test_float32_is_kept_where_a_single_text_comes_out_differently(speed) -> None:
    speed(10.0)
    assert not choose("auto", "cpu", _off_by_one_text)


def test_float32_is_kept_where_bfloat16_gives_no_numbers(speed) -> None:
    speed(10.0)
    assert not choose("auto", "cuda", lambda bfloat16: _EXACT * np.float32(np.nan if bfloat16 else 1))


def test_bfloat16_as_wish_is_not_measured_and_still_refused_where_it_is_not_equivalent(speed) -> None:
    speed(0.1)
    assert choose("bfloat16", "cpu", _same)
    assert not choose("bfloat16", "cpu", _off_by_one_text)


def test_float32_as_wish_needs_no_proof() -> None:
    assert not choose("float32", "cuda", _not_asked)


@pytest.mark.parametrize("wanted", ["auto", "float32", "bfloat16"])
def test_mps_runs_in_float32(wanted: str) -> None:
    assert not choose(wanted, "mps", _not_asked)


def test_the_speed_is_measured_on_this_machine() -> None:
    assert 0.001 < precision.bfloat16_speedup("cpu") < 1000


def test_the_probes_are_different_texts_of_different_lengths() -> None:
    assert len(set(PROBES)) == len(PROBES) >= 5
    assert max(map(len, PROBES)) > 5 * min(map(len, PROBES))


def test_halved_weights_are_those_of_products_and_of_a_copy() -> None:
    import torch

    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 2), torch.nn.Linear(8, 8), torch.nn.LayerNorm(8), torch.nn.MultiheadAttention(8, 2)
    )
    made = precision.halved(module)
    dtypes = {name: parameter.dtype for name, parameter in made.named_parameters()}
    assert {name for name, dtype in dtypes.items() if dtype == torch.float32} == {"2.weight", "2.bias"}
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
    given = torch.rand(5, 8)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(made[1](given), module[1](given))
