"""Trips on the simulated kettle: none on a brew day's ups and downs, each fault in time.

Run with `-s` to see the seconds and kelvins.
"""

from dataclasses import replace

import pytest

from tests.edge_node.safety.brewing import BOIL, RULES, Brew, proportional

SEEDS = pytest.mark.parametrize("seed", range(3))


def report(fault: str, seconds: float, kelvins: float) -> None:
    print(f"{fault}: tripped after {seconds:.1f} s, the water rose by {kelvins:+.2f} K")  # noqa: T201  # shown with -s


@SEEDS
def test_heating_from_20_to_66_and_holding_there_does_not_trip(seed: int) -> None:
    brew = Brew(seed=seed, control=proportional(66.0), reference=seed % 2 == 1)
    brew.seconds(3000)
    assert not brew.texts
    assert 65.0 < brew.celsius < 66.5


def test_duty_cycling_by_hysteresis_does_not_trip() -> None:
    on = [True]

    def hysteresis(value: float | None) -> float:
        if value is not None:
            on[0] = value < 65.5 or (on[0] and value < 66.0)
        return 100.0 if on[0] else 0.0

    brew = Brew(
        start_c=60.0, control=hysteresis, water_kg=10.0, rules=replace(RULES, volume_l=10.0)
    )
    brew.seconds(3600)
    assert not brew.texts


@SEEDS
def test_a_boil_and_the_cooling_after_it_do_not_trip(seed: int) -> None:
    brew = Brew(start_c=88.0, rules=BOIL, power=100.0, seed=seed)
    brew.seconds(1800)
    assert brew.celsius > 99.0
    brew.power = 40.0
    brew.seconds(1200)
    brew.power = 0.0
    brew.seconds(600)
    assert not brew.texts


@SEEDS
def test_cold_water_stirring_and_the_pump_off_and_on_do_not_trip(seed: int) -> None:
    brew = Brew(start_c=60.0, seed=seed, control=proportional(70.0))
    for local_k in (-4.0, 3.0, -2.0, 5.0):
        brew.seconds(120)
        brew.local_k = local_k  # stirred: the probe meets other water for a while
        brew.pump = not brew.pump
    brew.seconds(90)
    kettle = brew.kettle
    kettle.temperature_c = (kettle.temperature_c * kettle.water_kg + 5 * 12.0) / (
        kettle.water_kg + 5
    )
    kettle.water_kg += 5.0
    brew.local_k = -6.0
    brew.seconds(600)
    assert not brew.texts


@SEEDS
def test_what_settles_after_switching_off_does_not_trip(seed: int) -> None:
    brew = Brew(
        start_c=60.0, power=100.0, seed=seed, water_kg=10.0, rules=replace(RULES, volume_l=10.0)
    )
    brew.seconds(90)
    brew.power = 0.0
    brew.seconds(60)
    brew.local_k = -3.0  # cold water at the probe, with the heater off
    brew.seconds(90)
    brew.local_k = 2.0
    brew.pump = False
    brew.seconds(200)
    assert not brew.texts


@SEEDS
@pytest.mark.parametrize(("before", "pump"), [(100.0, True), (8.0, True), (100.0, False)])
def test_a_stuck_relay_opens_the_contactor_within_two_minutes(
    seed: int, before: float, pump: bool
) -> None:
    brew = Brew(start_c=60.0, power=before, seed=seed, pump=pump, reference=seed % 2 == 0)
    brew.seconds(120 + seed)
    brew.stuck, brew.power = True, 0.0
    seconds, kelvins = brew.until_trip("stuck_relay", 130)
    report("stuck relay", seconds, kelvins)
    assert seconds <= 120
    assert kelvins < 3.4
    assert brew.verdict is not None
    assert brew.verdict.contactors == {"contactor": False}
    hottest = brew.celsius
    brew.seconds(60)
    assert brew.celsius < hottest + 0.1


def test_a_slowly_leaking_relay_trips_on_half_a_kelvin() -> None:
    brew = Brew(start_c=22.0, noise_k=0.02, element=0.2)  # 700 W, 0.3 K a minute
    brew.seconds(60)
    brew.stuck = True
    seconds, kelvins = brew.until_trip("stuck_relay", 300)
    report("leaking relay, 700 W", seconds, kelvins)
    assert kelvins < 1.2


@SEEDS
@pytest.mark.parametrize("duty", [100.0, 40.0])
def test_a_dead_element_trips_within_three_minutes(seed: int, duty: float) -> None:
    brew = Brew(start_c=30.0, element=0.0, seed=seed)
    brew.seconds(30)
    brew.power = duty
    seconds, kelvins = brew.until_trip("no_rise", 200)
    report(f"dead element at {duty:.0f} %", seconds, kelvins)
    assert seconds <= 180
    assert brew.actual == 0.0


WEAK = [  # litres, watts, °C; seconds that a rise of 0.6 K and the edges of buckets take
    (50.0, 2500.0, 72.0, 250),
    (70.0, 3200.0, 66.0, 210),
    (100.0, 3500.0, 20.0, 210),
    (100.0, 3500.0, 72.0, 420),
    (100.0, 3500.0, 75.0, 610),
]


@pytest.mark.parametrize(("litres", "watts", "start_c", "limit_s"), WEAK)
def test_a_dead_weak_element_trips_once_its_rise_would_be_more_than_noise(
    litres: float, watts: float, start_c: float, limit_s: int
) -> None:
    rules = replace(RULES, volume_l=litres, element_w=watts)
    brew = Brew(start_c=start_c, rules=rules, water_kg=litres, element=0.0)
    brew.seconds(30)
    brew.power = 100.0
    seconds, kelvins = brew.until_trip("no_rise", limit_s)
    report(f"dead {watts:.0f} W in {litres:.0f} l at {start_c:.0f} °C", seconds, kelvins)


@pytest.mark.parametrize(("litres", "watts", "start_c", "limit_s"), WEAK)
@pytest.mark.parametrize("element", [0.98, 0.85])
def test_a_weak_element_that_works_does_not_trip(
    litres: float, watts: float, start_c: float, limit_s: int, element: float
) -> None:
    rules = replace(RULES, volume_l=litres, element_w=watts, high_limit=110.0)
    brew = Brew(
        start_c=start_c, rules=rules, water_kg=litres, element=element, control=proportional(76.0)
    )
    brew.seconds(2 * limit_s)
    brew.local_k = -4.0
    brew.seconds(2 * limit_s)
    assert not brew.texts


def test_an_element_that_dies_in_a_mash_trips_when_the_controller_asks_for_more() -> None:
    brew = Brew(start_c=64.0, control=proportional(66.0))
    brew.seconds(900)
    brew.element = 0.0
    seconds, kelvins = brew.until_trip("no_rise", 1200)
    report("element dies in a hold", seconds, kelvins)
    assert kelvins > -3.0


@pytest.mark.parametrize("power", [100.0, 50.0])
def test_a_dry_kettle_trips_in_seconds(power: float) -> None:
    brew = Brew(start_c=20.0, water_kg=0.3)
    brew.seconds(40)
    brew.power = power
    seconds, kelvins = brew.until_trip("too_fast", 60)
    report(f"dry kettle at {power:.0f} %", seconds, kelvins)
    assert seconds <= 40
    assert brew.celsius < 60.0


@SEEDS
def test_a_probe_out_of_the_wort_trips_within_three_minutes(seed: int) -> None:
    brew = Brew(start_c=66.0, power=100.0, seed=seed)
    brew.seconds(60)
    out = brew.now

    def in_air(value: float, now: int) -> tuple[float | None, str]:
        tau = 0.98 ** ((now - out) / 1000)
        return round((20.0 + (value - 20.0) * tau) * 16) / 16, "ok"

    brew.distort[0] = in_air
    seconds, kelvins = brew.until_trip("no_rise", 260)
    report("probe out of the wort", seconds, kelvins)
    assert seconds <= 180
    assert kelvins < 5.1


def test_a_probe_out_of_the_wort_is_off_at_once_with_a_reference() -> None:
    brew = Brew(start_c=60.0, power=100.0, reference=True)
    brew.seconds(60)
    brew.distort[0] = lambda value, _: (20.0, "ok")
    brew.second()
    assert brew.actual == 0.0
    assert brew.verdict is not None
    assert brew.verdict.outputs["heater"].limited_by == "disagreement"


def test_all_probes_empty_is_off_in_the_next_tick_and_latches_with_their_names() -> None:
    brew = Brew(start_c=60.0, power=100.0, probes=2)
    brew.seconds(60)
    brew.distort = dict.fromkeys(range(2), lambda *_: (None, "bad:empty"))
    brew.second()
    assert brew.actual == 0.0
    seconds, kelvins = brew.until_trip("probes_lost", 30)
    report("all probes empty (heat off in the next tick)", seconds, kelvins)
    assert seconds <= 11
    assert "n1/t0 bad:empty, n1/t1 bad:empty" in brew.texts[0].text


def test_a_stale_probe_is_off_in_the_next_tick() -> None:
    brew = Brew(start_c=60.0, power=100.0)
    brew.seconds(60)
    brew.distort[0] = lambda *_: (None, "bad:stale")
    brew.second()
    assert brew.actual == 0.0


@SEEDS
def test_a_frozen_probe_trips_within_three_minutes_of_heating(seed: int) -> None:
    brew = Brew(start_c=50.0, power=100.0, seed=seed)
    brew.seconds(60)
    brew.distort[0] = lambda *_: (51.5, "ok")
    seconds, kelvins = brew.until_trip("no_rise", 260)
    report("frozen probe", seconds, kelvins)
    assert seconds <= 180
    assert kelvins < 5.1


def test_a_frozen_probe_beside_a_true_reference_does_not_latch() -> None:
    brew = Brew(start_c=60.0, control=proportional(66.0), reference=True)
    brew.seconds(60)
    brew.distort[0] = lambda *_: (61.5, "ok")
    brew.seconds(1200)
    assert not brew.texts
    assert brew.verdict is not None
    assert brew.verdict.outliers == {"mash": {"n1/t0"}}
    assert 65.0 < brew.celsius < 66.5


@SEEDS
def test_two_frozen_probes_that_outvote_the_true_one_end_the_heat_and_latch(seed: int) -> None:
    brew = Brew(start_c=55.0, power=100.0, reference=True, seed=seed)
    brew.seconds(60)
    brew.frozen_at = brew.celsius
    seconds, kelvins = brew.until_trip("no_rise", 260)
    report("two of three frozen", seconds, kelvins)
    assert kelvins < 3.5
    assert brew.actual == 0.0


@SEEDS
def test_two_probes_that_copy_each_other_trip_while_heating(seed: int) -> None:
    brew = Brew(start_c=40.0, power=100.0, probes=2, seed=seed)
    brew.seconds(60)
    assert not brew.texts
    kept: dict[int, float] = {}

    def original(value: float, now: int) -> tuple[float | None, str]:
        kept[now] = value
        return value, "ok"

    brew.distort = {0: original, 1: lambda _, now: (kept[now] + 0.3, "ok")}
    seconds, kelvins = brew.until_trip("cross_talk", 400)
    report("one probe copies the other", seconds, kelvins)
    assert seconds <= 240


def test_two_probes_of_one_kettle_are_not_taken_for_copies() -> None:
    brew = Brew(start_c=40.0, probes=3, power=60.0, noise_k=0.02)
    brew.seconds(1500)
    assert not brew.texts


def test_suspect_cross_talk_latches_only_while_heating() -> None:
    brew = Brew(start_c=40.0, probes=2)
    brew.distort = dict.fromkeys(range(2), lambda value, _: (value, "suspect:cross_talk"))
    brew.seconds(120)
    assert not brew.texts
    brew = Brew(start_c=40.0, probes=2, power=50.0)
    brew.seconds(20)
    brew.distort = dict.fromkeys(range(2), lambda value, _: (value, "suspect:cross_talk"))
    brew.second()
    assert set(brew.trips) == {"cross_talk"}


def test_over_temperature_latches_above_the_high_limit() -> None:
    brew = Brew(start_c=79.0, power=30.0)
    brew.seconds(20)
    brew.distort[0] = lambda *_: (84.0, "suspect:outlier")
    brew.seconds(2)
    assert not brew.texts
    seconds, kelvins = brew.until_trip("over_temperature", 10)
    report("over temperature", seconds, kelvins)
    assert seconds <= 3


def test_a_reading_that_is_wild_once_does_not_latch() -> None:
    brew = Brew(start_c=60.0, power=50.0)
    for wild in (95.0, 0.0, 110.0):
        brew.seconds(60)
        brew.distort[0] = lambda _, __, wild=wild: (wild, "ok")  # type: ignore[misc]
        brew.second()
        brew.distort.clear()
    brew.seconds(120)
    assert not brew.texts
