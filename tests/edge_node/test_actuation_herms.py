"""A mash heated through a coil: one kettle or two, their leases, latches and trips."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from edge_node.actuation_rules import kettle_rules
from edge_node.lease import Refused
from edge_node.model import Reading
from edge_node.sampler import Tick
from edge_node.simulation.kettle import HEAT_CAPACITY, Kettle, KettleParameters, Probe
from tests.edge_node.actuation_bench import STEP_MS, Bench

pytestmark = pytest.mark.timeout(300)  # hours of a kettle, calculated

TWO = """\
node: {id: n, data_dir: data}
kettles:
  - {id: k, safety: {high_limit: 80, volume_l: 25}}
  - {id: h, safety: {high_limit: 90, volume_l: 30}}
channels:
  - {id: t, kettle: k, driver: simulated}
  - {id: w, kettle: h, driver: simulated}
actuators:
  - {id: heater, kettle: h, kind: heater, control: power, driver: simulated, file: pins/heater,
     power_w: 3500, contactor: contactor, requires: [pump]}
  - {id: pump, kettle: k, kind: pump, driver: simulated, file: pins/pump}
  - {id: contactor, kettle: h, kind: contactor, driver: simulated, file: pins/contactor}
controllers: [{id: c, kettle: k, kind: cascade, heater: heater, inner_probe: w, range: [20, 78]}]
"""
ONE = (
    TWO.replace("  - {id: h, safety: {high_limit: 90, volume_l: 30}}\n", "")
    .replace("kettle: h", "kettle: k")
    .replace("high_limit: 80", "high_limit: 90")
    .replace("inner_probe: w", "inner_probe: w, exchanger_l: 30")
)


class Herms(Bench):
    """The mash is `kettle`; its probe is channel t, that of the water around its coil w."""

    def __init__(
        self, folder: Path, text: str, *, start_c: float, water_c: float, coil: float
    ) -> None:
        self.coil = coil  # W/K
        self.water = Kettle(KettleParameters(water_kg=30.0), water_c)
        self.water_probe = Probe(water_c, Random(2), lag_s=10.0, bias_k=0.0, noise_k=0.02)
        self.mash = Kettle(KettleParameters(water_kg=25.0, evaporation=0.005), start_c)
        super().__init__(folder, text, start_c=start_c)

    def step(self) -> None:
        # Before what the bench does, which ends with the tick.
        machine = self.machine
        seconds = STEP_MS / 1000
        heats = self.pin("heater") > 0 and self.pin("contactor") > 0 and not self.dead
        self.water.step(seconds, 3500.0 if heats or self.welded else 0.0)
        self.mash.step(seconds, 0.0)
        flow = self.coil * (self.water.temperature_c - self.mash.temperature_c) * seconds
        self.water.temperature_c -= flow / (30.0 * HEAT_CAPACITY)
        self.mash.temperature_c += flow / (25.0 * HEAT_CAPACITY)
        self.kettle.temperature_c = self.mash.temperature_c
        self.water_probe.step(seconds, self.water.temperature_c)
        if (machine.mono + STEP_MS) % 1000 < STEP_MS:
            reading = Reading(self.water_probe.convert(12) / 16, self.water_quality)
            if not self.water_silent:
                self.core.observe(Tick(machine.wall, machine.mono, {"w": reading}))
        super().step()
        self.kettle.temperature_c = self.mash.temperature_c  # the bench's own element is not there

    def renew(self, kettle: str = "k") -> Refused | None:
        refused = super().renew(kettle)
        told, self.reference = self.reference, None  # it is of the mash
        for other in self.held:
            super().renew(other)
        self.reference = told
        return refused

    held: tuple[str, ...] = ()
    water_quality = "ok"
    water_silent = False

    def lead_too(self, kettle: str, **who: Any) -> None:
        """Take the lease of another kettle, for the bench's own server unless told otherwise."""
        whole = {**self._who(), **who}
        refused = asyncio.run(
            self.actuation.leases.acquire(
                kettle, **whole, echo_boot=self.boot, echo_ms=self.machine.mono
            )
        )
        assert refused is None, refused
        if not who:
            self.held = (*self.held, kettle)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Herms]]:
    made: list[Herms] = []

    def build(
        text: str, start_c: float, *, water_c: float | None = None, coil: float = 600.0
    ) -> Herms:
        water_c = start_c if water_c is None else water_c
        made.append(Herms(tmp_path, text, start_c=start_c, water_c=water_c, coil=coil))
        made[-1].lead()
        return made[-1]

    yield build
    for bench in made:
        bench.close()


@pytest.fixture
def two(make: Callable[..., Herms]) -> Herms:
    bench = make(TWO, 60.0)
    bench.lead_too("h")
    bench.switch("pump", True)
    return bench


@pytest.mark.parametrize("text", [ONE, TWO], ids=["one kettle", "two kettles"])
def test_a_herms_heats_its_mash_without_a_false_trip(make: Callable[..., Herms], text: str) -> None:
    bench = make(text, 55.0)
    if text == TWO:
        bench.lead_too("h")
    bench.switch("pump", True)
    assert bench.control(mode="auto", setpoint=66)["controller"]["mode"] == "auto"
    highest = 0.0
    for _ in range(2000):
        bench.run(1)
        highest = max(highest, bench.mash.temperature_c)
    assert bench.latches == set()
    assert abs(bench.mash.temperature_c - 66) < 0.3
    assert highest < 66.5


@pytest.mark.parametrize("text", [ONE, TWO], ids=["one kettle", "two kettles"])
def test_water_that_stands_at_its_limit_while_a_weak_coil_takes_all_heat_is_no_dead_element(
    make: Callable[..., Herms], text: str
) -> None:
    bench = make(text, 40.0, water_c=74.0, coil=90.0)
    if text == TWO:
        bench.lead_too("h")
    bench.switch("pump", True)
    bench.control(mode="auto", setpoint=66)
    bench.run(900)
    assert bench.latches == set()
    assert abs(bench.water.temperature_c - 74) < 1
    assert bench.mash.temperature_c > 45


def test_a_controller_may_heat_another_kettle_only_for_the_holder_of_both(
    make: Callable[..., Herms],
) -> None:
    bench = make(TWO, 60.0)
    bench.switch("pump", True)
    refused = bench.control(mode="auto", setpoint=66)
    assert isinstance(refused, Refused)
    assert (refused.status, refused.code) == (403, "not_leader")
    assert refused.detail == {"holder": None, "epoch": None, "kettle_id": "h"}
    bench.lead_too("h", server_id="b", session="other", epoch=bench.epoch + 1)
    refused = bench.control(mode="auto", setpoint=66)
    assert isinstance(refused, Refused)
    assert refused.detail["holder"] == "b"
    assert not isinstance(bench.control(mode="off"), Refused)
    bench.run(2)
    assert bench.pin("heater") == 0


@pytest.mark.parametrize("lost", ["k", "h"])
def test_a_lost_lease_of_either_kettle_ends_the_controller_and_its_heat(
    two: Herms, lost: str
) -> None:
    two.control(mode="auto", setpoint=70)
    two.run(3)
    assert two.pin("heater") == 100
    refused = two.actuation.leases.release(lost, **two._who())
    assert refused is None
    two.actuation.look()
    assert two.pin("heater") == 0
    two.held = ()
    two.run(0.5)
    assert two.state["controllers"]["c"]["mode"] == "off"
    # A new lease does not bring it back.
    two.epoch += 1
    two.lead_too(lost)
    two.run(3)
    assert two.pin("heater") == 0


@pytest.mark.parametrize("kettle", ["k", "h"])
def test_a_latch_of_either_kettle_ends_the_heat_of_the_coil(two: Herms, kettle: str) -> None:
    two.control(mode="auto", setpoint=70)
    two.run(3)
    assert two.pin("heater") == 100
    two.actuation.safe(kettle)
    assert (two.pin("heater"), two.pin("contactor")) == (0, 0)
    assert two.state["controllers"]["c"]["mode"] == "off"
    refused = two.control(mode="auto", setpoint=70)
    assert isinstance(refused, Refused)
    assert refused.code == "safety_latched"


PROBES = ("n/t", "x/a", "x/b")


@pytest.mark.parametrize(
    "order", [{"mode": "auto", "setpoint": 70}, {"mode": "manual", "power": 100}]
)
@pytest.mark.parametrize("value", [66.0, None])
def test_probes_of_the_mash_that_contradict_each_other_end_the_heat_of_the_coil(
    two: Herms, order: dict[str, Any], value: float | None
) -> None:
    two.control(**order)
    two.run(3)
    assert two.pin("heater") == 100
    two.reference = {"value": value, "t": 0, "probes": PROBES}  # its own says 60
    two.run(4)
    assert two.pin("heater") == 0
    text = two.actuation.alarms()["kept_off_heater"]
    assert "because of kettle k, which it heats too: its probes contradict each other" in text
    for _ in range(20):
        two.run(1)
        assert two.pin("heater") == 0
    two.reference["value"] = 60.0
    two.run(4)
    assert "kept_off_heater" not in two.actuation.alarms()


def test_a_mash_at_its_limit_ends_the_heat_of_the_coil(two: Herms) -> None:
    two.control(mode="manual", power=100)
    two.run(3)
    two.reading = Reading(80.0, "ok")
    two.run(2)
    assert two.pin("heater") == 0
    assert two.state["actuators"]["heater"]["limited_by"] == "high_limit"
    assert "because of kettle k" in two.actuation.alarms()["kept_off_heater"]


def test_a_mash_without_a_probe_ends_the_heat_of_the_coil_and_latches(two: Herms) -> None:
    two.control(mode="manual", power=100)
    two.run(3)
    two.reading = Reading(None, "bad:empty")
    two.run(2)
    assert two.pin("heater") == 0
    assert two.state["actuators"]["heater"]["limited_by"] == "process_value"
    seconds = two.run_until(lambda: "probes_lost" in two.latches, 12)
    assert seconds >= 8
    assert two.pin("contactor") == 0
    (latch,) = two.state["latches"]
    assert latch["kettle_id"] == "k"


@pytest.mark.parametrize("quality", ["suspect:outlier", "suspect:cross_talk"])
def test_water_whose_probe_is_not_to_be_believed_is_not_heated(
    make: Callable[..., Herms], quality: str
) -> None:
    bench = make(ONE, 60.0)
    bench.switch("pump", True)
    bench.control(mode="auto", setpoint=70)
    bench.run(3)
    assert bench.pin("heater") == 100
    bench.water_quality = quality
    bench.run(2)
    assert (bench.pin("heater"), bench.state["actuators"]["heater"]["desired"]) == (0, 0)


def test_water_whose_probe_is_silent_is_heated_for_five_seconds_at_most(
    make: Callable[..., Herms],
) -> None:
    bench = make(ONE, 60.0)
    bench.switch("pump", True)
    bench.control(mode="auto", setpoint=70)
    bench.run(3)
    assert bench.pin("heater") == 100
    bench.water_silent = True
    bench.run_until(lambda: bench.pin("heater") == 0, 6)
    assert bench.state["actuators"]["heater"]["desired"] == 0


def test_a_welded_relay_of_the_water_is_noticed_by_the_waters_own_probe(two: Herms) -> None:
    two.run(130)
    two.welded = True
    two.run_until(lambda: "stuck_relay" in two.latches, 120)
    assert two.pin("contactor") == 0


def test_a_dead_element_of_the_water_is_off_and_latched_although_a_mash_hangs_on_it(
    two: Herms,
) -> None:
    two.dead = True
    two.control(mode="auto", setpoint=70)
    two.run_until(lambda: "no_rise" in two.latches, 200)
    assert two.pin("contactor") == 0


def test_what_an_element_heats_through_its_own_kettles_coil_counts_as_its_load(
    make: Callable[..., Herms],
) -> None:
    (rules,) = kettle_rules(make(ONE, 60.0).config)
    assert (rules.volume_l, rules.rise_off_k) == (55.0, None)
