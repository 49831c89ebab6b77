"""The outer loop's limits and memory; its courses are in `test_mash`."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.control.cascade import Cascade, Outer, OuterSettings
from edge_node.control.pid import PidSettings
from edge_node.control.tuning import exchanger_gains, kettle_gains

OUTER = OuterSettings(kp=1.0, ti_s=600.0, high=80.0)
INNER = PidSettings(kp=50.0, ti_s=200.0)
HOUR_MS = 3_600_000
anything = st.one_of(st.none(), st.floats(), st.floats(0, 110))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-HOUR_MS, HOUR_MS), anything, anything, anything, anything),
        max_size=40,
    ),
)
def test_whatever_comes_in_the_aim_is_within_its_limits_and_the_power_finite(
    steps: list[tuple[int, float | None, float | None, float | None, float | None]],
) -> None:
    cascade, now = Cascade(OUTER, INNER), 0
    for passed, process, setpoint, inner, achieved in steps:
        now += passed
        cascade.feed(inner)
        power = cascade.step(now, process, setpoint, achieved)
        state = json.loads(json.dumps(cascade.state(), allow_nan=False))
        assert 0 <= power <= 100
        assert -OUTER.below_k <= state["outer_integral"] <= OUTER.above_k
        if state["inner_setpoint"] is None:
            assert power == 0
        else:
            assert OUTER.low <= state["inner_setpoint"] <= OUTER.high
        for value in (process, setpoint, inner):
            if value is None or not math.isfinite(value):
                assert power == 0


def test_the_water_is_at_most_so_much_hotter_than_the_mash_shall_be() -> None:
    outer = Outer(OUTER)
    assert outer.aim(0, 20.0, 66.0, 66.0) == 66.0 + OUTER.above_k
    assert outer.aim(1000, 20.0, 78.0, 66.0) == OUTER.high
    assert outer.aim(2000, 75.0, 66.0, 66.0) == 66.0 - OUTER.below_k


def test_a_mash_that_stays_a_little_cold_asks_for_hotter_water_in_time() -> None:
    outer = Outer(OUTER)
    for second in range(601):
        outer.aim(second * 1000, 65.5, 66.0, 66.6 + second / 1200)
    assert outer.state()["outer_integral"] == pytest.approx(0.5, abs=0.01)


def test_while_the_water_is_still_cold_nothing_winds_up_and_what_was_there_fades() -> None:
    outer = Outer(OUTER)
    for second in range(600):
        outer.aim(second * 1000, 65.5, 66.0, 67.0)
    learned = outer.state()["outer_integral"]
    for second in range(600, 1800):
        outer.aim(second * 1000, 60.0, 66.0, 62.0)
    assert 0 <= outer.state()["outer_integral"] < learned / 10


def test_an_hour_of_silence_adds_nothing() -> None:
    outer = Outer(OUTER)
    for now in (0, 1000, 1000 + HOUR_MS):
        outer.aim(now, 65.5, 66.0, 66.5)
    assert outer.state()["outer_integral"] == pytest.approx(0.5 / 600)


def test_an_inner_temperature_serves_one_step_only() -> None:
    cascade = Cascade(OUTER, INNER)
    cascade.feed(60.0)
    assert cascade.step(0, 60.0, 66.0, None) > 0
    assert cascade.step(1000, 60.0, 66.0, None) == 0


def test_from_manual_to_automatic_the_power_goes_on_from_where_it_was() -> None:
    cascade = Cascade(OUTER, INNER)
    for second in range(30):
        cascade.feed(70.0)
        cascade.track(second * 1000, 62.0, 66.0, 20.0)
    cascade.feed(70.0)
    assert cascade.step(29_001, 62.0, 66.0, 20.0) == pytest.approx(20.0, abs=0.1)


def test_after_a_reset_it_is_as_new() -> None:
    cascade = Cascade(OUTER, INNER)
    cascade.feed(66.5)
    cascade.step(0, 65.0, 66.0, None)
    cascade.reset()
    assert cascade.state() == Cascade(OUTER, INNER).state()


@pytest.mark.parametrize(
    "wrong",
    [{"kp": 0.0}, {"ti_s": math.nan}, {"low": 90.0}, {"high": math.inf}, {"above_k": -1.0}],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        OuterSettings(**wrong)


@pytest.mark.parametrize("wrong", [(0.0, 3500.0), (30.0, 0.0), (30.0, math.nan)])
def test_gains_need_a_vessel_and_an_element(wrong: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="Tuning"):
        kettle_gains(*wrong)
    with pytest.raises(ValueError, match="Tuning"):
        exchanger_gains(*wrong)
