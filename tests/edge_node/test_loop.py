"""Loops as the configuration makes them: what they drive, with which gains, what they learn."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest

from edge_node.config_outputs import ControllerConfig, controller
from edge_node.control.autotune import AutotuneResult
from edge_node.control.boiling import LocalBoiling
from edge_node.control.tuning import exchanger_gains, kettle_gains
from edge_node.loop import Loop
from edge_node.loop_controllers import Heated
from edge_node.simulation.kettle import Probe
from tests.edge_node.control.plant import Point, Vessel, course, simulate, simulate_herms

HEATED = Heated(volume_l=25.0, exchanger_l=30.0, element_w=3500.0, window_s=5.0)
HOUR_S = 3600


def configured(kind: str, **keys: Any) -> ControllerConfig:
    return controller({"id": "c", "kettle": "k", "kind": kind, **keys})


def loop_of(kind: str, applied: AutotuneResult | None = None, **keys: Any) -> Loop:
    drives = {} if keys.keys() & {"heater", "cooler"} else {"heater": "heater"}
    return Loop(configured(kind, **drives, **keys), HEATED, applied)


class Run:
    """A loop at work, as something that a plant can ask."""

    def __init__(self, loop: Loop, setpoint: float, output: str = "heater") -> None:
        self.loop, self.output = loop, output
        self.inner: float | None = None
        self.asked: Mapping[str, float] = {}
        loop.set("auto", 0, setpoint=setpoint, power=None)

    def feed(self, inner: float | None) -> None:
        self.inner = inner

    def step(
        self, now_ms: int, process: float | None, setpoint: float | None, achieved: float | None
    ) -> float:
        del setpoint
        given = {} if achieved is None else {self.output: achieved}
        self.asked = self.loop.step(now_ms, process=process, inner=self.inner, achieved=given)
        return self.asked.get(self.output, 0.0)

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.loop.state()["state"]
        return found


# Cascades.


def test_a_cascade_leads_the_water_by_the_ratio_of_the_volumes_and_heats_it_by_its_own() -> None:
    run = Run(loop_of("cascade"), 66.0)
    run.feed(60.0)
    run.step(0, 65.0, None, None)
    outer, inner = exchanger_gains(25.0, 30.0), kettle_gains(30.0, 3500.0)
    assert run.state["inner_setpoint"] == pytest.approx(66.0 + outer.kp)
    assert (run.state["kp"], run.state["ti_s"]) == (inner.kp, inner.ti_s)
    assert run.state["gains"] == "calculated"


def test_both_loops_of_a_cascade_can_be_configured() -> None:
    run = Run(
        loop_of(
            "cascade",
            pid={"kp": 12, "ti_s": 345, "td_s": 6},
            outer={"kp": 2, "ti_s": 900},
            inner_max_k=3,
            inner_min_k=1,
            inner_range=[10, 72],
        ),
        66.0,
    )
    aims = []
    for second, mash in enumerate((65.5, 60.0, 70.0)):
        run.feed(60.0)
        run.step(second * 1000, mash, None, None)
        aims.append(run.state["inner_setpoint"])
    assert aims == pytest.approx([67.0, 69.0, 65.0], abs=0.01)
    assert (run.state["kp"], run.state["ti_s"], run.state["td_s"]) == (12, 345, 6)
    assert run.state["gains"] == "configured"
    run.loop.set("auto", 3000, setpoint=75.0, power=None)
    run.feed(60.0)
    run.step(3000, 60.0, None, None)
    assert run.state["inner_setpoint"] == 72


def test_a_configured_herms_keeps_the_promise_to_brewers() -> None:
    run = Run(loop_of("cascade"), 66.0)
    points = simulate_herms(run, setpoint=lambda _: 66.0, seconds=9000, start_c=20.0)
    found = course([Point(p.t, p.mash_c, p.mash_c, 66.0, p.power) for p in points])
    assert found.overshoot < 0.5
    assert found.ripple < 0.3
    assert max(point.water_c for point in points) < 76.0


def test_the_water_of_a_cascade_is_regulated_also_where_a_kettle_would_boil() -> None:
    run = Run(loop_of("cascade", inner_range=[0, 105]), 98.0)
    run.feed(99.5)
    run.step(0, 97.9, None, None)
    assert not run.state["boiling"]


# Fermentations.


def test_a_beer_is_led_through_the_air_of_its_chamber() -> None:
    run = Run(loop_of("fermentation", heater="belt", cooler="fridge", inner_probe="air"), 18.0)
    random = Random(1)
    probes = [Probe(24.0, random, lag_s=10.0, bias_k=0.0, noise_k=0.03) for _ in range(2)]
    air = beer = 24.0
    coldest_air, errors, coldest_beer = air, [], beer
    for second in range(0, 48 * HOUR_S, 2):
        run.feed(probes[0].convert() / 16)
        run.step(second * 1000, probes[1].convert() / 16, None, None)
        exchanged = 5.0 * (beer - air)
        heats, cools = run.asked["belt"], run.asked["fridge"]
        air += 2 * (exchanged + 1.5 * (26 - air) + 0.6 * heats - 1.2 * cools) / 6000
        beer += 2 * (15.0 - exchanged) / (20 * 4186)
        for probe, celsius in zip(probes, (air, beer), strict=True):
            probe.step(2.0, celsius)
        coldest_air, coldest_beer = min(coldest_air, air), min(coldest_beer, beer)
        if second > 24 * HOUR_S:
            errors.append(abs(beer - 18.0))
        assert not (heats and cools)
    assert max(errors) < 0.3
    assert coldest_beer > 17.5
    assert coldest_air > 18.0 - 10.0 - 1.0


def test_without_the_air_of_the_chamber_the_beer_itself_switches() -> None:
    run = Run(loop_of("fermentation", heater="belt", cooler="fridge", band_k=0.3), 18.0)
    run.step(0, 18.4, None, None)
    run.step(700_000, 18.4, None, None)
    assert run.asked == {"belt": 0.0, "fridge": 100.0}
    assert "inner_setpoint" not in run.state


def test_a_lost_probe_in_the_air_neither_heats_nor_cools() -> None:
    run = Run(loop_of("fermentation", heater="belt", cooler="fridge", inner_probe="air"), 18.0)
    for second in range(0, 1200, 2):
        run.step(second * 1000, 24.0, None, None)
    assert run.asked == {"belt": 0.0, "fridge": 0.0}


# Hysteresis.


def test_a_hysteresis_with_a_cooler_cools_and_one_with_a_heater_heats() -> None:
    def course_of(run: Run) -> list[float]:
        return [run.step(0, celsius, None, None) for celsius in (18.4, 18.6, 18.2, 17.9, 17.4)]

    assert course_of(Run(loop_of("hysteresis", cooler="fridge"), 18.0, "fridge")) == [
        *(0, 100, 100, 0, 0)
    ]
    assert course_of(Run(loop_of("hysteresis", heater="belt"), 18.0, "belt")) == [0, 0, 0, 0, 100]


# Boiling.


def test_how_a_kettle_boils_is_configured() -> None:
    keys: dict[str, Any] = {"boil_power": 60, "boil_margin": 3, "altitude_m": 1500}
    boiling = LocalBoiling(1500).celsius
    run = Run(loop_of("pid", **keys), boiling - 2.9)
    assert run.step(0, boiling - 0.1, None, None) == 60
    assert run.state["boiling"]
    run = Run(loop_of("pid", **keys), boiling - 3.1)
    assert run.step(0, boiling - 0.1, None, None) == 0
    assert not run.state["boiling"]


# What is learned, and what is not.


@pytest.mark.parametrize("mode", ["off", "manual"])
def test_the_integral_does_not_grow_in_an_hour_of_pid_off_and_the_heater_starts_as_if_new(
    mode: str,
) -> None:
    run = Run(loop_of("pid"), 66.0)
    for second in range(600):
        run.step(second * 1000, 65.6, None, None)
    assert run.state["integral"] > 1
    run.loop.set(mode, 600_000, setpoint=None, power=0.0)
    for second in range(600, 600 + HOUR_S):
        assert run.step(second * 1000, 50.0, None, None) == 0
    assert run.state["integral"] == 0
    again = 600 + HOUR_S
    run.loop.set("auto", again * 1000, setpoint=None, power=None)
    new = Run(loop_of("pid"), 66.0)
    for second in range(again, again + 60):
        given = run.step(second * 1000, 65.6, None, None)
        assert given <= new.step(second * 1000, 65.6, None, None) + 1e-9


@pytest.mark.parametrize("gap_s", [10, 240, HOUR_S])
def test_the_integral_does_not_grow_over_a_blackout_gap(gap_s: int) -> None:
    run = Run(loop_of("pid"), 66.0)
    for second in range(120):
        run.step(second * 1000, 65.9, None, None)
    before = run.state["integral"]
    back = 119 + gap_s
    power = run.step(back * 1000, 60.0, None, None)
    assert run.state["integral"] == pytest.approx(before)
    assert run.state["derivative"] == 0
    assert power <= 100
    # After a power cut the node begins anew, with nothing to come back with.
    assert loop_of("pid").state()["state"]["integral"] == 0


TUNED = AutotuneResult(
    ku=40.0, pu_s=80.0, kp=18.0, ti_s=176.0, td_s=12.7, rule="r", confidence=0.9, cycles=3
)


def test_gains_that_were_applied_before_are_in_force_from_the_start() -> None:
    run = Run(loop_of("pid", TUNED, pid={"kp": 1, "ti_s": 2000}), 66.0)
    assert (run.state["kp"], run.state["ti_s"], run.state["gains"]) == (18.0, 176.0, "autotune")
    run.step(0, 66.0, None, None)
    assert run.loop.applied == TUNED


def test_applied_gains_boil_as_configured() -> None:
    run = Run(loop_of("pid", TUNED, boil_power=55), 100.0)
    assert run.step(0, 101.0, None, None) == 55


def test_a_cascade_has_no_gains_of_an_autotune() -> None:
    assert loop_of("cascade", TUNED).state()["state"]["gains"] == "calculated"


def test_a_loop_of_the_configuration_heats_a_kettle_as_its_law_does() -> None:
    heated = Heated(30.0, 30.0, 3500.0, 5.0)
    run = Run(Loop(configured("pid", heater="heater"), heated), 66.0)
    found = course(simulate(run, Vessel(), setpoint=lambda _: 66.0, seconds=5400))
    assert found.overshoot < 0.5
    assert found.ripple < 0.3
