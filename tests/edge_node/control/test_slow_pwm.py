"""A power becomes pulses: the average right, no pulse or pause too short."""

import math
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.control.slow_pwm import SlowPwm, SlowPwmSettings


@st.composite
def pwm_settings(draw: st.DrawFn) -> SlowPwmSettings:
    window = draw(st.integers(1000, 60_000))
    on = draw(st.integers(0, window))
    off = draw(st.integers(0, window - on))
    return SlowPwmSettings(window, on, off)


def _levels(
    pulses: SlowPwm, powers: list[tuple[float, int]], tick: int
) -> list[tuple[int, bool, float]]:
    """(ms, level, power) of each call, for powers that last so many ticks."""
    shown, now = [], 0
    for power, ticks in powers:
        for _ in range(ticks):
            shown.append((now, pulses.level(now, power), power))
            now += tick
    return shown


def _runs(shown: list[tuple[int, bool, float]], tick: int) -> list[tuple[bool, int]]:
    return [
        (level, len(list(run)) * tick) for level, run in groupby(shown, key=lambda item: item[1])
    ]


@settings(deadline=None)
@given(pwm_settings(), st.floats(0.1, 99.9), st.sampled_from([10, 50, 100, 500]))
def test_the_average_is_what_was_asked_for_within_one_window(
    pwm: SlowPwmSettings, power: float, tick: int
) -> None:
    windows = 12
    ticks = windows * pwm.window_ms // tick
    shown = _levels(SlowPwm(pwm), [(power, ticks)], tick)
    on_ms = 0.0
    for now, level, _ in shown:
        # Never further behind or ahead than a window, at any moment.
        assert abs(on_ms - power / 100 * now) <= pwm.window_ms + 2 * tick
        on_ms += tick * level


@settings(deadline=None)
@given(
    pwm_settings(),
    st.lists(
        st.tuples(st.one_of(st.floats(0, 100), st.sampled_from([0.0, 100.0])), st.integers(1, 80)),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from([10, 100, 500, 1700]),
)
def test_no_pulse_and_no_pause_is_ever_too_short(
    pwm: SlowPwmSettings, powers: list[tuple[float, int]], tick: int
) -> None:
    shown = _levels(SlowPwm(pwm), powers, tick)
    runs = _runs(shown, tick)
    assert not runs[0][0] or pwm.min_off_ms == 0  # nobody knows when it was on before
    for level, ms in runs[:-1]:
        assert ms >= (pwm.min_on_ms if level else pwm.min_off_ms)


@settings(deadline=None)
@given(pwm_settings(), st.lists(st.tuples(st.floats(1, 99), st.integers(1, 80)), max_size=20))
def test_a_changing_power_is_owed_no_more_than_two_windows(
    pwm: SlowPwmSettings, powers: list[tuple[float, int]]
) -> None:
    asked = on_ms = 0.0
    for _, level, power in _levels(SlowPwm(pwm), powers, 100):
        asked += power / 100 * 100
        on_ms += 100 * level
        assert abs(asked - on_ms) <= 2 * pwm.window_ms + 400


@pytest.mark.parametrize(("power", "level"), [(0.0, False), (100.0, True)])
def test_nothing_and_everything_are_exact(power: float, level: bool) -> None:
    pwm = SlowPwm(SlowPwmSettings(5000, 200, 200))
    shown = _levels(pwm, [(37.0, 333), (power, 1000)], 10)
    # After at most a shortest time not a single tick of the other level.
    assert {at for _, at, _ in shown[333 + 21 :]} == {level}


@pytest.mark.parametrize("power", [0.3, 1.0, 3.0, 50.0, 97.0, 99.7])
def test_pulses_too_short_to_be_given_are_saved_up(power: float) -> None:
    shown = _levels(SlowPwm(SlowPwmSettings(2000, 200, 200)), [(power, 100_000)], 20)
    duty = sum(level for _, level, _ in shown) / len(shown) * 100
    assert duty == pytest.approx(power, abs=0.06)


def test_what_is_owed_does_not_outlive_a_silence_or_an_off() -> None:
    pwm = SlowPwm(SlowPwmSettings(1000, 500, 200))
    pwm.level(0, 40.0)
    pwm.level(900, 40.0)  # 360 ms are owed, too few for a pulse
    pwm.level(901, 0.0)
    assert pwm.state()["owed_ms"] == 0
    pwm.level(1000, 40.0)
    pwm.level(3_600_000, 40.0)
    assert abs(pwm.state()["owed_ms"]) <= 1000


def test_a_cut_is_off_at_once_and_pauses_from_then() -> None:
    pwm = SlowPwm(SlowPwmSettings(5000, 1000, 1000))
    pwm.level(0, 100.0)
    assert pwm.level(1000, 100.0)
    pwm.cut(1100)
    assert not pwm.state()["on"]
    assert not pwm.level(2099, 100.0)
    assert pwm.level(2100, 100.0)


@pytest.mark.parametrize("power", [math.nan, math.inf, -math.inf, -5.0])
def test_a_power_that_is_none_is_off(power: float) -> None:
    pwm = SlowPwm(SlowPwmSettings(5000))
    assert pwm.level(0, 100.0)
    assert not pwm.level(10, power)


@pytest.mark.parametrize(
    ("window", "on", "off", "says"),
    [
        (999, 0, 0, "window"),
        (60_001, 0, 0, "window"),
        (5000, -1, 0, "negative"),
        (5000, 3000, 2001, "do not fit"),
    ],
)
def test_settings_that_cannot_work_are_refused(window: int, on: int, off: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SlowPwmSettings(window, on, off)
