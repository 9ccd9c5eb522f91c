"""A calibration turns scores into probabilities that hang together."""

import json

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearclass.schemas.calibration import Calibration, Curve, Fits

MADE = Calibration(
    precision=0.95,
    confidence_level=0.9,
    n=500,
    revision=3,
    learner=2,
    candidates=50,
    temperature=0.05,
    fits=Fits(8.0, 2.0, -3.0),
    fits_below=0.3,
    novel_below=0.2,
    leaf=Curve(0.8, 1.3, 0.4),
    branch=Curve(1.0, 0.0, -0.1),
    assign_at={"home": 0.7, "shoes": None},
    assign_at_pooled=0.8,
    back_off_at=0.6,
)


def test_a_calibration_survives_json():
    assert Calibration.from_dict(json.loads(json.dumps(MADE.to_dict()))) == MADE


def test_a_branch_without_its_own_threshold_has_that_of_all_others():
    assert (MADE.threshold("home"), MADE.threshold("shoes"), MADE.threshold("garden")) == (0.7, None, 0.8)


def test_masses_add_up_to_the_probability_that_any_class_fits():
    scores = np.array([[0.6, 0.5, -np.inf], [0.3, 0.3, 0.1]])
    assert MADE.masses(scores, scores[:, 0]).sum(axis=1) == pytest.approx(MADE.fitting(scores, scores[:, 0]))
    assert MADE.masses(scores, scores[:, 0])[0, 2] == 0


@given(
    arrays.arrays(np.float64, (4, 6), elements=st.floats(-1, 1)),
    st.floats(0.001, 10),
    st.floats(0.001, 4),
    st.floats(0.0, 4),
    st.floats(-4, 4),
)
def test_confidences_of_candidates_do_not_rise_and_add_up_to_one_at_most(scores, temperature, low, high, shift):
    changed = {"temperature": temperature, "leaf": {"slope_low": low, "slope_high": high, "shift": shift}}
    made = Calibration.from_dict({**MADE.to_dict(), **changed})
    scores = -np.sort(-scores, axis=1)
    found = made.confidences(made.masses(scores, scores[:, 0]))
    assert (found >= 0).all()
    assert (found.sum(axis=1) <= 1 + 1e-9).all()
    assert (np.diff(found, axis=1) <= 1e-9).all()


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9), st.floats(0.001, 5), st.floats(0, 5), st.floats(-5, 5))
def test_a_curve_keeps_the_order(masses, low, high, shift):
    found = Curve(low, high, shift).apply(np.sort(np.asarray(masses)))
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()
