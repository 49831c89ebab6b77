"""The promise to brewers: within 0.3 K once settled, under 0.5 K of overshoot."""

from itertools import pairwise

import pytest

from edge_node.control.boiling import BoilSettings, LocalBoiling
from edge_node.control.cascade import Cascade
from edge_node.control.pid import Pid
from edge_node.control.tuning import exchanger_gains, kettle_gains

from .plant import Course, Vessel, course, simulate, simulate_herms

VESSELS = [Vessel(), Vessel(10, 2000), Vessel(50, 5500), Vessel(100, 9000)]


def _kept(found: Course) -> bool:
    return found.overshoot < 0.5 and found.settled_s is not None and found.ripple < 0.3


@pytest.mark.parametrize("seed", range(5))
def test_30_litres_with_3500_w_go_from_20_to_66_degrees(seed: int) -> None:
    pid = Pid(kettle_gains(30, 3500))
    points = simulate(pid, Vessel(), setpoint=lambda _: 66.0, seconds=5400, seed=seed)
    found = course(points)
    assert _kept(found), found
    # Full power all the way needs some 1,880 s: the last half kelvin is not crept up to.
    assert found.settled_s is not None
    assert found.settled_s < 2000


def test_two_steps_for_each_reading_change_nothing() -> None:
    pid = Pid(kettle_gains(30, 3500))
    points = simulate(pid, Vessel(), setpoint=lambda _: 66.0, seconds=5400, step_ms=500)
    assert _kept(course(points)), course(points)


def test_the_probe_shows_what_the_water_does() -> None:
    pid = Pid(kettle_gains(30, 3500))
    points = simulate(pid, Vessel(), setpoint=lambda _: 66.0, seconds=5400)
    assert max(point.probe_c for point in points) < 66.5 + 0.2  # noise and half a step on top


@pytest.mark.parametrize("vessel", VESSELS, ids=lambda v: f"{v.volume_l:g}l")
@pytest.mark.parametrize("volume", [0.8, 1.0, 1.2])
@pytest.mark.parametrize("lag_s", [8.0, 12.0])
def test_a_wrong_volume_and_another_probe_are_forgiven(
    vessel: Vessel, volume: float, lag_s: float
) -> None:
    pid = Pid(kettle_gains(vessel.volume_l * volume, vessel.element_w))
    real = Vessel(vessel.volume_l, vessel.element_w, lag_s=lag_s)
    found = course(simulate(pid, real, setpoint=lambda _: 66.0, seconds=5400))
    assert _kept(found), found


@pytest.mark.parametrize("vessel", VESSELS, ids=lambda v: f"{v.volume_l:g}l")
def test_the_rests_of_a_mash_follow_each_other(vessel: Vessel) -> None:
    rests = [52.0, 62.0, 66.0, 72.0, 78.0]
    begins = [*range(0, 5 * 3600, 3600), 5 * 3600]
    pid = Pid(kettle_gains(vessel.volume_l, vessel.element_w))
    points = simulate(pid, vessel, setpoint=lambda t: rests[t // 3600], seconds=begins[-1])
    for begin, end in pairwise(begins):
        found = course(points[begin:end])
        assert _kept(found), (points[begin].setpoint, found)


def test_cold_malt_takes_3_k_and_they_come_back() -> None:
    pid = Pid(kettle_gains(30, 3500))
    points = simulate(
        pid, Vessel(start_c=66), setpoint=lambda _: 66.0, seconds=5400, jumps={1800: -3.0}
    )
    found = course(points[1800:])
    assert _kept(found), found
    assert found.settled_s is not None
    assert found.settled_s < 300  # 3 K at full power need some 140 s


def test_a_pump_that_was_lost_for_ten_minutes_leaves_no_overshoot() -> None:
    pid = Pid(kettle_gains(30, 3500))
    integrals: list[float] = []

    def permitted(t: int) -> bool:
        lost = 3000 <= t < 3600
        if lost:
            integrals.append(pid.state()["integral"])
        return not lost

    points = simulate(pid, Vessel(), setpoint=lambda _: 66.0, seconds=7200, permitted=permitted)
    assert all(point.power == 0 for point in points[3000:3600])
    assert all(later <= earlier for earlier, later in pairwise(integrals))
    assert points[3599].true_c < 65  # it was missed
    found = course(points[3600:])
    assert _kept(found), found


def test_a_lower_setpoint_ends_the_heating_at_once() -> None:
    pid = Pid(kettle_gains(30, 3500))
    points = simulate(pid, Vessel(), setpoint=lambda t: 66.0 if t < 2400 else 60.0, seconds=2500)
    assert all(point.power == 0 for point in points[2401:])


@pytest.mark.parametrize("altitude_m", [0.0, 2500.0])
def test_a_boil_is_reached_and_kept_with_fixed_power(altitude_m: float) -> None:
    boil = BoilSettings(LocalBoiling(altitude_m), margin_k=1.5, power=60.0)
    pid = Pid(kettle_gains(30, 3500, boil=boil))
    points = simulate(
        pid,
        Vessel(start_c=78, altitude_m=altitude_m),
        setpoint=lambda _: 100.0,
        seconds=3600,
    )
    assert points[100].power == 100
    assert points[-1].true_c == pytest.approx(boil.boiling.celsius, abs=0.1)
    assert {point.power for point in points[-1800:]} == {60.0}


@pytest.mark.parametrize("exchanger_w_per_k", [300.0, 600.0, 1200.0])
def test_herms_heats_a_mash_without_overshoot(exchanger_w_per_k: float) -> None:
    cascade = Cascade(exchanger_gains(25, 30), kettle_gains(30, 3500))
    points = simulate_herms(
        cascade,
        setpoint=lambda _: 66.0,
        seconds=9000,
        start_c=20.0,
        exchanger_w_per_k=exchanger_w_per_k,
    )
    assert max(point.mash_c for point in points) < 66.3
    assert all(abs(point.mash_c - 66.0) < 0.3 for point in points[5400:])
    assert max(point.water_c for point in points) < 74.5  # the setpoint and `above_k`
