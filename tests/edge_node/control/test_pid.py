"""What the PID does with gains, modes, silence, limits and nonsense."""

import json
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.control.boiling import BoilSettings, LocalBoiling
from edge_node.control.pid import Pid, PidSettings

GAINS = PidSettings(kp=10.0, ti_s=100.0, td_s=10.0, filter_s=5.0)
HOUR_MS = 3_600_000

anything = st.one_of(st.none(), st.floats(), st.floats(-50, 150))
figures = st.floats(0.001, 1e6)
gains = st.builds(
    PidSettings,
    kp=figures,
    ti_s=figures,
    td_s=st.floats(0, 1e6),
    filter_s=figures,
    blend_s=figures,
    boil=st.one_of(st.none(), st.builds(BoilSettings, power=st.floats(0, 100))),
)


def _integral(pid: Pid) -> float:
    value = pid.state()["integral"]
    assert isinstance(value, float)
    return value


def _settled(process: float = 65.0, setpoint: float = 66.0, seconds: int = 60) -> tuple[Pid, int]:
    """A PID that has regulated for a while, and its time in ms."""
    pid = Pid(GAINS)
    for second in range(seconds):
        pid.step(second * 1000, process, setpoint, None)
    return pid, (seconds - 1) * 1000


@settings(deadline=None)
@given(
    gains,
    st.lists(st.tuples(st.integers(-HOUR_MS, HOUR_MS), anything, anything, anything), max_size=40),
    st.booleans(),
)
def test_whatever_comes_in_a_finite_power_comes_out(
    gains: PidSettings, steps: list[tuple[int, float | None, float | None, float | None]], by: bool
) -> None:
    pid, now = Pid(gains), 0
    for passed, process, setpoint, achieved in steps:
        now += passed
        power = pid.step(now, process, setpoint, achieved)
        assert 0 <= power <= 100
        assert 0 <= _integral(pid) <= 100
        bad = (value is not None and not math.isfinite(value) for value in (process, setpoint))
        if process is None or setpoint is None or any(bad):
            assert power == 0
        if achieved is not None and not math.isfinite(achieved):
            assert power == 0
        if by:
            pid.track(now, process, setpoint, achieved if achieved is not None else 0.0)
        json.dumps(pid.state(), allow_nan=False)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(-20, 120), st.floats(0, 110)), min_size=2, max_size=60),
)
def test_the_integral_does_not_grow_while_the_output_is_held_off(
    steps: list[tuple[float, float]],
) -> None:
    pid, now = _settled()
    for process, setpoint in steps:
        now += 1000
        before = _integral(pid)
        pid.step(now, process, setpoint, 0.0)
        assert _integral(pid) <= before


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, 1e300])
def test_an_unusable_temperature_is_no_power_and_teaches_nothing(value: float | None) -> None:
    pid, now = _settled()
    before = _integral(pid)
    assert before > 0
    for _ in range(3600):
        now += 1000
        assert pid.step(now, value, 66.0, None) == 0
    assert pid.step(now + 1000, 65.0, 66.0, 0.0) > 0
    assert _integral(pid) <= before


def test_an_hour_without_steps_adds_nothing() -> None:
    pid, now = _settled()
    before = _integral(pid)
    pid.step(now + HOUR_MS, 40.0, 66.0, None)
    assert _integral(pid) == before
    assert pid.state()["derivative"] == 0  # nor is the drop over the gap a slope


def test_an_hour_off_leaves_nothing_to_come_back_with() -> None:
    pid, now = _settled()
    for second in range(1, 3601):
        pid.track(now + second * 1000, 65.0, 66.0, 0.0)
    assert _integral(pid) == 0
    pid, now = _settled()
    pid.step(now + 1000, 65.0, None, None)
    assert _integral(pid) == 0


@pytest.mark.parametrize("power", [0.0, 20.0])
def test_following_a_hand_above_the_setpoint_learns_no_more_than_the_hand_gave(
    power: float,
) -> None:
    pid = Pid(GAINS)
    for second in range(60):
        pid.track(second * 1000, 75.0, 66.0, power)
    assert _integral(pid) <= power
    assert pid.step(60_000, 75.0, 66.0, power) == 0  # too hot by 9 K: down at once


def test_time_that_runs_backwards_adds_nothing() -> None:
    pid, now = _settled()
    before = _integral(pid)
    pid.step(now - 30_000, 65.0, 66.0, None)
    assert _integral(pid) == before


def test_the_first_step_has_no_derivative_and_no_history() -> None:
    assert Pid(GAINS).step(HOUR_MS, 65.0, 66.0, None) == pytest.approx(10.0)


def test_a_setpoint_gives_the_derivative_no_kick_and_an_upward_one_arrives_softly() -> None:
    pid, now = _settled(process=66.0)
    powers = [pid.step(now + 100 * tick, 66.0, 71.0, None) for tick in range(1, 300)]
    assert powers[0] < 3  # of the 50 % that 5 K are worth
    assert powers[49] > 25  # after 5 s
    assert powers[298] > 49
    assert pid.state()["derivative"] == 0
    assert all(later >= earlier for earlier, later in pairwise(powers))


def test_a_downward_setpoint_counts_at_once() -> None:
    pid, now = _settled()
    high = pid.step(now + 1000, 65.0, 66.0, None)
    assert pid.step(now + 1001, 65.0, 65.5, None) == pytest.approx(high - 5.0, abs=0.1)


@pytest.mark.parametrize("kp", [1.0, 9.0, 11.0, 30.0])
@pytest.mark.parametrize("td_s", [0.0, 30.0])
def test_new_gains_take_over_where_the_old_ones_were(kp: float, td_s: float) -> None:
    pid = Pid(GAINS)
    power = 0.0
    for second in range(120):
        power = pid.step(second * 1000, 60.0 + second * 0.04, 66.0, None)
    pid.configure(PidSettings(kp=kp, ti_s=50.0, td_s=td_s, filter_s=8.0))
    assert 20 < power < 80
    assert pid.step(119_001, 60.0 + 119 * 0.04, 66.0, None) == pytest.approx(power, abs=0.1)


@pytest.mark.parametrize("process", [None, 99.0])
def test_new_gains_teach_nothing_without_a_reading_or_in_the_boil(process: float | None) -> None:
    pid = Pid(PidSettings(kp=10.0, ti_s=100.0, boil=BoilSettings()))
    for second in range(60):
        pid.step(second * 1000, 76.0, 76.9, None)
    before = _integral(pid)
    pid.step(60_000, process, 99.0, None)
    pid.configure(PidSettings(kp=20.0, ti_s=100.0, boil=BoilSettings()))
    assert _integral(pid) == before


@pytest.mark.parametrize("manual", [0.0, 5.0, 40.0, 100.0])
def test_from_manual_to_automatic_the_power_goes_on_from_where_it_was(manual: float) -> None:
    pid = Pid(GAINS)
    for second in range(30):
        pid.track(second * 1000, 64.0, 66.0, manual)
    assert pid.step(29_001, 64.0, 66.0, manual) == pytest.approx(manual, abs=0.1)


def test_the_integral_follows_the_achieved_power_back() -> None:
    free, now = _settled()
    held, _ = _settled()
    for second in range(1, 31):
        free.step(now + second * 1000, 65.0, 66.0, None)
        held.step(now + second * 1000, 65.0, 66.0, 8.0)
    assert _integral(held) < _integral(free) / 2


def test_a_saturated_heater_does_not_wind_the_integral_up() -> None:
    pid = Pid(GAINS)
    for second in range(3600):
        assert pid.step(second * 1000, 20.0, 66.0, 100.0) == 100 or second < 10
    assert _integral(pid) == 0


def test_noise_of_one_step_of_the_probe_moves_the_derivative_little() -> None:
    pid = Pid(GAINS)
    parts: list[float] = []
    for second in range(200):
        pid.step(second * 1000, 66.0 + 0.0625 * (second % 2), 66.0, None)
        parts.append(abs(pid.state()["derivative"]))
    # Unfiltered it would be kp * td * 0.0625 K / 1 s = 6.25 %.
    assert max(parts[20:]) < 1.0


def test_boiling_holds_the_integral_and_fixes_the_power() -> None:
    boil = BoilSettings(LocalBoiling(0), margin_k=1.5, power=70.0)
    pid = Pid(PidSettings(kp=10.0, ti_s=100.0, boil=boil))
    for second in range(60):
        pid.step(second * 1000, 77.0, 78.0, None)
    before = _integral(pid)
    powers = [
        pid.step(60_000 + n * 1000, process, 98.6, None)
        for n, process in enumerate((78.0, 90.0, 98.4, 98.6, 100.0, 101.0))
    ]
    assert powers == [100.0, pytest.approx(84.97, abs=0.01), 70.0, 70.0, 70.0, 70.0]
    assert pid.state()["boiling"] is True
    assert _integral(pid) == before
    assert pid.step(66_000, None, 98.6, None) == 0
    pid.step(67_000, 78.0, 98.4, None)
    assert pid.state()["boiling"] is False


def test_after_a_reset_it_is_as_new() -> None:
    pid, now = _settled()
    pid.reset()
    assert pid.state() == Pid(GAINS).state()
    assert pid.step(now, 65.0, 66.0, None) == Pid(GAINS).step(now, 65.0, 66.0, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kp": 0.0},
        {"kp": -1.0},
        {"kp": math.nan},
        {"ti_s": 0.0},
        {"ti_s": math.inf},
        {"td_s": -1.0},
        {"filter_s": 0.0},
        {"blend_s": 0.0},
        {"max_gap_ms": 0},
    ],
)
def test_gains_that_cannot_work_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PidSettings(**({"kp": 1.0, "ti_s": 1.0} | wrong))
