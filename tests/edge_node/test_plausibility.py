"""Which readings are believed."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.model import Reading
from edge_node.plausibility import Plausibility, Raw, Rule
from edge_node.simulation.kettle import quantise

PROBES = ("a", "b", "c")


def rule(
    channel: str, *, kettle: str | None = "mash", calibration: tuple[tuple[float, float], ...] = ()
) -> Rule:
    return Rule(channel, kettle, True, (-20.0, 125.0), 5.0, calibration)


def judge_of(*rules: Rule) -> Plausibility:
    return Plausibility(rules or [rule(channel) for channel in PROBES])


def tick(
    judge: Plausibility, now: float, genuine: bool | None = True, /, **values: float | str
) -> dict[str, Reading]:
    raws = {
        channel: Raw(None, now, value) if isinstance(value, str) else Raw(value, now, "", genuine)
        for channel, value in values.items()
    }
    return judge.judge(raws, now)


@given(
    seconds=st.integers(60, 400),
    lags=st.tuples(*[st.floats(-1.5, 1.5)] * 3),
    bits=st.sampled_from([9, 10, 11, 12]),
    genuine=st.booleans(),
)
def test_a_true_ramp_through_85_loses_no_reading(
    seconds: int, lags: tuple[float, float, float], bits: int, genuine: bool
) -> None:
    judge = judge_of()
    random = Random(seconds)
    for second in range(seconds):
        true = 82.0 + 6.0 * second / seconds
        values = {
            channel: quantise(true + lag + random.gauss(0, 0.02), bits) / 16
            for channel, lag in zip(PROBES, lags, strict=True)
        }
        for channel, reading in tick(judge, float(second), genuine, **values).items():
            assert reading == Reading(values[channel], "ok")


def test_a_hold_at_exactly_85_is_not_lost() -> None:
    judge = judge_of(rule("a"))
    tick(judge, 0, a=84.9375)
    assert all(tick(judge, float(s), a=85.0)["a"].quality == "ok" for s in range(1, 300))


@given(st.floats(-10, 120).filter(lambda good: abs(good - 85) > 2), st.floats(0, 100))
def test_85_far_from_the_last_good_value_is_power_on(good: float, pause: float) -> None:
    judge = judge_of(rule("a"))
    tick(judge, 0, a=good)
    assert tick(judge, pause, a=85.0)["a"] == Reading(None, "bad:power_on")


@pytest.mark.parametrize(("age", "believed"), [(10.0, True), (10.5, False)])
def test_a_witness_of_85_is_at_most_ten_seconds_old(age: float, believed: bool) -> None:
    judge = judge_of(rule("a"))
    tick(judge, 0, a=84.0)
    assert (tick(judge, age, a=85.0)["a"].quality == "ok") is believed


@pytest.mark.parametrize(("difference", "believed"), [(2.0, True), (2.0625, False)])
def test_a_witness_of_85_is_within_two_kelvin(difference: float, believed: bool) -> None:
    judge = judge_of(rule("a"))
    tick(judge, 0, a=85 - difference)
    assert (tick(judge, 1, a=85.0)["a"].quality == "ok") is believed


def test_the_first_85_after_a_start_needs_another_probe_of_its_kettle() -> None:
    assert tick(judge_of(), 0, a=85.0)["a"].quality == "bad:power_on"
    assert tick(judge_of(), 0, a=85.0, b=84.5)["a"].quality == "ok"
    elsewhere = judge_of(rule("a"), rule("b", kettle="hlt"))
    assert tick(elsewhere, 0, a=85.0, b=84.5)["a"].quality == "bad:power_on"


def test_probes_that_all_start_at_85_do_not_vouch_for_each_other() -> None:
    for reading in tick(judge_of(), 0, a=85.0, b=85.0, c=85.0).values():
        assert reading.quality == "bad:power_on"


def test_the_reference_is_a_witness_of_its_own_kettle_for_ten_seconds() -> None:
    judge = judge_of(rule("a"))
    judge.reference("hlt", 85.0, 0)
    assert tick(judge, 1, a=85.0)["a"].quality == "bad:power_on"
    judge.reference("mash", 84.0, 2)
    assert tick(judge, 12, a=85.0)["a"].quality == "ok"
    judge = judge_of(rule("a"))
    judge.reference("mash", 84.0, 2)
    assert tick(judge, 12.1, a=85.0)["a"].quality == "bad:power_on"


def test_a_bad_or_suspect_value_is_no_witness() -> None:
    judge = Plausibility([Rule("a", "mash", True, (-20.0, 84.9), 5.0), rule("b")])
    assert tick(judge, 0, a=84.95, b=85.0)["b"].quality == "bad:power_on"


def test_25_of_a_clone_needs_a_witness_and_of_a_genuine_part_does_not() -> None:
    assert tick(judge_of(), 0, False, a=25.0)["a"].quality == "bad:power_on"
    assert tick(judge_of(), 0, None, a=25.0)["a"].quality == "bad:power_on"
    assert tick(judge_of(), 0, True, a=25.0)["a"] == Reading(25.0, "ok")
    assert tick(judge_of(), 0, False, a=25.0, b=24.0)["a"] == Reading(25.0, "ok")


@pytest.mark.parametrize("genuine", [True, False])
def test_one_25_in_a_hot_kettle_is_dropped_and_the_next_value_is_taken(genuine: bool) -> None:
    judge = judge_of()
    tick(judge, 0, a=65.0, b=65.1, c=64.9)
    readings = tick(judge, 1, genuine, a=25.0, b=65.1, c=64.9)
    assert readings["a"] == Reading(None, "bad:power_on")
    assert readings["b"].quality == readings["c"].quality == "ok"
    assert tick(judge, 2, a=65.0)["a"] == Reading(65.0, "ok")


@pytest.mark.parametrize(
    ("raw", "cause"),
    [(127.9375, "no_power"), (-127.0, "disconnected"), (125.5, "range"), (-20.5, "range")],
)
def test_figures_that_mean_something_else_are_bad(raw: float, cause: str) -> None:
    assert tick(judge_of(), 0, a=raw)["a"] == Reading(None, f"bad:{cause}")


def test_a_drivers_cause_is_passed_on() -> None:
    assert tick(judge_of(), 0, a="zeros")["a"] == Reading(None, "bad:zeros")


def test_limits_hold_for_the_calibrated_value() -> None:
    judge = judge_of(rule("a", calibration=((0.0, 3.0),)))
    assert tick(judge, 0, a=123.0)["a"].quality == "bad:range"


def test_an_old_reading_is_stale() -> None:
    judge = judge_of()
    readings = judge.judge({"a": Raw(60.0, 0.0), "b": Raw(60.0, 1.0)}, 5.5)
    assert readings["a"] == Reading(None, "bad:stale")
    assert readings["b"].quality == "ok"


def test_calibration_shifts_by_one_point_and_runs_through_two() -> None:
    shifted = judge_of(rule("a", calibration=((0.0, 0.5),)))
    assert tick(shifted, 0, a=20.0)["a"].value == 20.5
    line = rule("a", calibration=((0.4, 0.0), (99.1, 98.7)))
    assert line.true(0.4) == pytest.approx(0.0)
    assert line.true(99.1) == pytest.approx(98.7)
    assert line.true(49.75) == pytest.approx(49.35)


@given(
    st.lists(
        st.tuples(
            *[
                st.one_of(
                    st.sampled_from(["empty", "crc", 85.0, 25.0, 127.9375, -127.0, 0.0]),
                    st.integers(-2000, 2100).map(lambda code: code / 16),
                )
            ]
            * 3
        ),
        max_size=40,
    )
)
def test_any_sequence_gives_one_reading_a_channel_and_no_bad_reading_a_value(
    ticks: list[tuple[float | str, ...]],
) -> None:
    judge = judge_of()
    for now, values in enumerate(ticks):
        readings = tick(judge, float(now), True, **dict(zip(PROBES, values, strict=True)))
        assert set(readings) == set(PROBES)
        for reading in readings.values():  # Reading itself refuses a bad one with a value
            assert reading.bad or math.isfinite(reading.value or 0.0)


def heat(
    judge: Plausibility, seconds: int, start: int = 0, **frozen: float
) -> dict[str, list[str]]:
    """A kettle warmed by 3 K a minute, each probe with its own error and noise."""
    random = Random(7)
    said: dict[str, list[str]] = {channel: [] for channel in PROBES}
    for second in range(start, start + seconds):
        true = 40 + second / 20
        values = {
            channel: frozen.get(channel, quantise(true + bias + random.gauss(0, 0.03)) / 16)
            for channel, bias in zip(PROBES, (0.1, -0.2, 0.0), strict=True)
        }
        for channel, reading in tick(judge, float(second), True, **values).items():
            said[channel].append(reading.quality)
    return said


def test_a_probe_that_stops_while_its_neighbours_go_on_is_frozen_until_it_moves() -> None:
    judge = judge_of()
    assert set(heat(judge, 120)["a"]) == {"ok"}
    said = heat(judge, 120, 120, a=46.0)
    assert said["a"][-1] == "suspect:frozen"
    assert set(said["a"][:59]) == {"ok"}
    assert set(said["b"] + said["c"]) == {"ok"}
    assert set(heat(judge, 30, 240)["a"]) == {"ok"}


def test_a_constant_cellar_is_never_frozen() -> None:
    judge = judge_of()
    heat(judge, 120)  # they are known to go together
    for second in range(120, 4000):
        readings = tick(judge, float(second), a=12.0, b=12.0625, c=12.125)
        assert {reading.quality for reading in readings.values()} == {"ok"}


def test_beer_that_stands_still_in_a_cycling_fridge_is_not_frozen() -> None:
    judge = judge_of(rule("a"), rule("b"))
    for second in range(7200):
        fridge = quantise(15 + 4 * math.sin(second / 150)) / 16
        beer = 18.9375 if second < 3600 else 18.875
        assert tick(judge, float(second), a=beer, b=fridge)["a"].quality == "ok"


def test_one_wild_reading_of_a_neighbour_freezes_nobody() -> None:
    judge = judge_of(rule("a"), rule("b"))
    for second in range(120):
        tick(judge, float(second), a=40 + second / 16, b=41 + second / 16)
    for second in range(120, 400):
        b = 90.0 if second == 300 else 48.5
        assert tick(judge, float(second), a=47.5, b=b)["a"].quality == "ok"


def test_two_probes_with_one_trace_are_both_distrusted_when_a_third_differs() -> None:
    judge = judge_of()
    for second in range(600):
        value = quantise(50 + second / 100) / 16
        readings = tick(judge, float(second), a=value, b=value, c=value - 0.5)
    assert readings["a"].quality == readings["b"].quality == "suspect:cross_talk"
    assert readings["c"].quality == "ok"
    assert tick(judge, 600, a=56.0, b=56.0625, c=55.5)["a"].quality == "ok"


def test_probes_of_different_kettles_with_one_trace_are_distrusted() -> None:
    judge = judge_of(rule("a"), rule("b", kettle="hlt"))
    for second in range(600):
        value = quantise(50 + second / 100) / 16
        readings = tick(judge, float(second), a=value, b=value)
    assert {reading.quality for reading in readings.values()} == {"suspect:cross_talk"}


def test_equal_values_that_do_not_move_are_no_cross_talk() -> None:
    judge = judge_of(rule("a"), rule("b", kettle="hlt"), rule("c"))
    for second in range(2000):
        readings = tick(judge, float(second), a=20.0, b=20.0, c=21.0)
        assert {reading.quality for reading in readings.values()} == {"ok"}


@given(seed=st.integers(0, 10_000), rate=st.floats(0.2, 6.0), bits=st.sampled_from([10, 12]))
def test_good_probes_in_one_water_are_never_distrusted(seed: int, rate: float, bits: int) -> None:
    judge = judge_of()
    random = Random(seed)
    for second in range(400):
        true = 40 + rate * second / 60
        # a and b are equal parts; only their noise differs. c is off by half a kelvin.
        values = {
            channel: quantise(true + bias + random.gauss(0, 0.02), bits) / 16
            for channel, bias in zip(PROBES, (0.0, 0.0, 0.5), strict=True)
        }
        readings = tick(judge, float(second), True, **values)
        assert {reading.quality for reading in readings.values()} == {"ok"}
