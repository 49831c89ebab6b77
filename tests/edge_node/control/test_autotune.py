"""The relay method: what it finds, that it is good, and how it ends otherwise."""

import cmath
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.control.autotune import Autotune, AutotuneSettings
from edge_node.control.pid import Pid
from edge_node.simulation.kettle import HEAT_CAPACITY

from .plant import VESSEL_J_PER_K, Vessel, course, simulate

anything = st.one_of(st.none(), st.floats(), st.floats(0, 110))
HOUR_MS = 3_600_000


def _run(vessel: Vessel) -> Autotune:
    tune = Autotune(AutotuneSettings())
    points = simulate(tune, vessel, setpoint=lambda _: 66.0, seconds=3 * 3600)
    assert max(point.true_c for point in points) < 67.0
    assert points[-1].power == 0
    return tune


@pytest.mark.parametrize(
    "vessel",
    [Vessel(start_c=60), Vessel(10, 2000), Vessel(100, 9000, start_c=62)],
    ids=lambda v: f"{v.volume_l:g}l",
)
def test_its_gains_keep_the_promise_to_brewers(vessel: Vessel) -> None:
    result = _run(vessel).result
    assert result is not None
    assert result.rule == "Tyreus-Luyben"
    assert result.kp == pytest.approx(result.ku / 2.2)
    assert result.ti_s == pytest.approx(result.pu_s * 2.2)
    assert result.td_s == pytest.approx(result.pu_s / 6.3)
    assert result.confidence > 0.5
    cold = Vessel(vessel.volume_l, vessel.element_w)
    found = course(
        simulate(Pid(result.settings()), cold, setpoint=lambda _: 66.0, seconds=5400, seed=7)
    )
    assert found.overshoot < 0.5, found
    assert found.settled_s is not None
    assert found.ripple < 0.3


def test_the_gain_it_finds_is_the_plants_at_that_period() -> None:
    result = _run(Vessel(start_c=60, noise_k=0.0)).result
    assert result is not None
    omega = math.tau / result.pu_s
    slope = 3500 * 0.98 / (30 * HEAT_CAPACITY + VESSEL_J_PER_K) / 100  # K/s per %
    plant = slope / (1j * omega) / (1 + 10j * omega)  # and no delay: it turns, it does not shrink
    assert result.ku == pytest.approx(1 / abs(plant), rel=0.15)
    assert -math.pi < cmath.phase(plant) < -math.pi / 2


def test_a_probe_that_is_lost_is_off_at_once_and_ends_it_after_ten_seconds() -> None:
    tune = Autotune(AutotuneSettings())
    assert tune.step(0, 60.0, 66.0, None) == 100
    for second in range(1, 11):
        assert tune.step(second * 1000, None, 66.0, None) == 0
        assert tune.state()["phase"] == "running"
    assert tune.step(11_000, math.nan, 66.0, None) == 0
    assert tune.state()["phase"] == "aborted"
    assert "probe" in tune.state()["reason"]
    assert tune.step(12_000, 60.0, 66.0, None) == 0


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ((1000, 60.0, 67.0, 100.0), "setpoint was changed"),
        ((1000, 60.0, None, 100.0), "no setpoint"),
        ((1000, 71.1, 66.0, 100.0), "rose more than 5 K"),
        ((11_000, 60.0, 66.0, 100.0), "interrupted"),
        ((-1, 60.0, 66.0, 100.0), "interrupted"),
    ],
)
def test_it_ends_with_a_reason(
    step: tuple[int, float | None, float | None, float | None], says: str
) -> None:
    tune = Autotune(AutotuneSettings())
    assert tune.step(0, 60.0, 66.0, None) == 100
    assert tune.step(*step) == 0
    assert tune.state()["phase"] == "aborted"
    assert says in tune.state()["reason"]
    assert tune.result is None


def test_an_output_that_a_permit_holds_back_ends_it() -> None:
    tune = Autotune(AutotuneSettings())
    for second in range(11):
        assert tune.step(second * 1000, 60.0, 66.0, 0.0) == 100
    assert tune.step(11_000, 60.0, 66.0, 0.0) == 0
    assert "permit" in tune.state()["reason"]


def test_a_vessel_that_does_not_swing_ends_it_in_time() -> None:
    tune = Autotune(AutotuneSettings(max_ms=600_000))
    for second in range(601):
        assert tune.step(second * 1000, 60.0, 66.0, 100.0) == 100
    assert tune.step(601_000, 60.0, 66.0, 100.0) == 0
    assert "time allowed" in tune.state()["reason"]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(-5000, 20_000), anything, anything, anything), max_size=60),
    st.floats(0, 49),
    st.floats(50, 100),
)
def test_whatever_comes_in_the_power_is_one_of_two_or_none(
    steps: list[tuple[int, float | None, float | None, float | None]], low: float, high: float
) -> None:
    tune, now = Autotune(AutotuneSettings(low=low, high=high)), 0
    for passed, *step in steps:
        now += passed
        power = tune.step(now, *step)
        assert power in {0.0, low, high}
        if any(value is not None and not math.isfinite(value) for value in step):
            assert power == 0
        json.dumps(tune.state(), allow_nan=False)


def test_after_a_reset_it_runs_again() -> None:
    tune = Autotune(AutotuneSettings())
    tune.step(0, 60.0, None, None)
    tune.reset()
    assert tune.state() == Autotune(AutotuneSettings()).state()
    assert tune.step(HOUR_MS, 60.0, 66.0, None) == 100


@pytest.mark.parametrize(
    "wrong",
    [
        {"low": 60.0, "high": 50.0},
        {"high": 101.0},
        {"band_k": 0.0},
        {"over_k": 0.1},
        {"cycles": 2},
        {"max_ms": 0},
        {"silence_ms": 0},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AutotuneSettings(**wrong)
