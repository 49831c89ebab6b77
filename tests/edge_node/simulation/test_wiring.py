"""Outputs and vessels of the simulated brewery: relays, contactors, faults, the enable line."""

import math
from pathlib import Path

import pytest

from edge_node.simulation.faults import Fault
from edge_node.simulation.kettle import COOLANT_C, Kettle, KettleParameters
from edge_node.simulation.plan import BreweryPlan, KettlePlan, NodePlan
from edge_node.simulation.plan_outputs import (
    actuators,
    contact_file,
    contacts,
    enable_file,
    level_file,
)
from edge_node.simulation.wiring import PUMP_HOLD_S, ChargePump, Power, Wiring
from edge_node.simulation.world import SimulatedBrewery
from tests.edge_node.simulation.test_pipes import until

LOG = Path(__file__).parents[2] / "data" / "fermentation-2012-09-26.csv"
TUN = KettlePlan("tun", element_error=0.02)
FERMENTER = KettlePlan("fermenter", element_w=50, cooler_w=200)
PLAN = BreweryPlan(
    (TUN, FERMENTER, KettlePlan("log", replay=LOG)),
    (
        NodePlan("a", ("tun",)),
        NodePlan("b", ("tun", "fermenter")),
        NodePlan("c", ("log",)),
    ),
)


def drive(folder: Path, node_id: str, **levels: float) -> None:
    for output_id, level in levels.items():
        level_file(folder, node_id, output_id).write_text(f"{level}\n")


@pytest.fixture
def wiring(tmp_path: Path) -> Wiring:
    wiring = Wiring(PLAN, tmp_path)
    wiring.start()
    return wiring


def test_each_kettle_is_heated_by_its_first_node(tmp_path: Path) -> None:
    def ids(number: int) -> list[str]:
        return [item["id"] for item in actuators(PLAN, PLAN.nodes[number], tmp_path)]

    assert ids(0) == ["heater", "pump", "contactor"]
    assert ids(1) == [f"fermenter_{name}" for name in ("heater", "pump", "contactor", "cooler")]
    assert ids(2) == []
    assert contacts(PLAN, PLAN.nodes[2], tmp_path) == {}
    heater = actuators(PLAN, PLAN.nodes[0], tmp_path)[0]
    assert heater["kettle"] == "tun"
    assert (heater["control"], heater["power_w"], heater["contactor"]) == (
        "power",
        3500.0,
        "contactor",
    )
    assert heater["file"] == str(tmp_path / "outputs/a/heater")


def test_the_power_comes_on_with_outputs_off_and_contacts_at_rest(
    wiring: Wiring, tmp_path: Path
) -> None:
    drive(tmp_path, "a", heater=100, contactor=100)
    wiring.start()
    assert wiring.read(0) == {"tun": Power(), "fermenter": Power()}
    assert contact_file(tmp_path, "a", "stop").read_text() == "1\n"
    assert contact_file(tmp_path, "a", "override").read_text() == "0\n"


def test_an_element_heats_behind_relay_and_contactor(wiring: Wiring, tmp_path: Path) -> None:
    drive(tmp_path, "a", heater=100, pump=100)
    assert wiring.read(0)["tun"] == Power(pump=True)
    drive(tmp_path, "a", contactor=100)
    assert wiring.read(1)["tun"] == Power(heater_w=3500 * 1.02, pump=True)
    drive(tmp_path, "a", heater=50)
    assert wiring.read(2)["tun"].heater_w == pytest.approx(1785)
    drive(tmp_path, "b", fermenter_cooler=100)
    assert wiring.read(3)["fermenter"] == Power(cooler_w=200)


def test_a_welded_relay_heats_until_the_contactor_opens(wiring: Wiring, tmp_path: Path) -> None:
    drive(tmp_path, "a", contactor=100)
    wiring.set_fault("a", "heater", Fault.WELDED)
    assert wiring.read(0)["tun"].heater_w > 0
    drive(tmp_path, "a", contactor=0)
    assert wiring.read(1)["tun"].heater_w == 0
    wiring.set_fault("a", "contactor", Fault.WELDED)
    assert wiring.read(2)["tun"].heater_w > 0, "no software opens two welded contacts"
    wiring.set_fault("a", "heater", None)
    assert wiring.read(3)["tun"].heater_w == 0


def test_a_dead_element_does_not_heat(wiring: Wiring, tmp_path: Path) -> None:
    drive(tmp_path, "a", contactor=100, heater=100, pump=100)
    wiring.set_fault("a", "heater", Fault.DEAD)
    assert wiring.read(0)["tun"] == Power(pump=True)


def test_a_level_that_is_caught_half_written_is_the_one_before(
    wiring: Wiring, tmp_path: Path
) -> None:
    drive(tmp_path, "a", contactor=100, heater=100)
    wiring.read(0)
    level_file(tmp_path, "a", "heater").write_text("")
    assert wiring.read(1)["tun"].heater_w > 0


def test_a_guarded_element_heats_only_while_the_enable_line_moves(tmp_path: Path) -> None:
    wiring = Wiring(BreweryPlan((TUN,), (NodePlan("a", ("tun",)),), guarded=True), tmp_path)
    wiring.start()
    drive(tmp_path, "a", contactor=100, heater=100)
    enable_file(tmp_path, "a").parent.mkdir()
    for edge in range(5):
        enable_file(tmp_path, "a").write_text(f"{edge}\n")
        assert (wiring.read(edge / 10)["tun"].heater_w > 0) is (edge > 1)
    assert wiring.read(0.3 + PUMP_HOLD_S - 0.01)["tun"].heater_w > 0
    assert wiring.read(0.3 + PUMP_HOLD_S + 0.01)["tun"].heater_w == 0


def test_a_line_that_disappears_stands_or_moves_once_does_not_pump() -> None:
    pump = ChargePump()
    shown = ["", "7", "7", "", "7", "8", "8"]
    assert not any(pump.step(now / 10, text) for now, text in enumerate(shown))
    assert pump.step(0.7, "9")
    assert not pump.step(3, "10")


def test_outputs_drive_the_model_and_faults_json_names_them(tmp_path: Path) -> None:
    brewery = SimulatedBrewery(PLAN, tmp_path)
    brewery.start()
    try:
        drive(tmp_path, "a", contactor=100, heater=100)
        until(lambda: brewery.power("tun").heater_w > 0)
        before = brewery.temperature("tun")
        until(lambda: brewery.temperature("tun") > before + 0.02)
        (tmp_path / "faults.json").write_text('{"a/heater": "dead"}')
        until(lambda: brewery.power("tun").heater_w == 0)
        (tmp_path / "faults.json").write_text('{"a/heater":  "welded"}')
        drive(tmp_path, "a", heater=0)
        until(lambda: brewery.power("tun").heater_w > 0)
        with pytest.raises(
            ValueError, match=r"only be dead, welded.*only an output or a kettle can be dead"
        ):
            brewery.set_faults({"a/pump": "empty", "a/temperature": "dead"})
    finally:
        brewery.stop()


def test_a_cooler_takes_heat_out_down_to_its_coolant() -> None:
    kettle = Kettle(KettleParameters(water_kg=20.0), 20.0)
    kettle.step(600, 0, cooler_w=1000)
    expected = 20 - 600 * 1000 / (20 * 4186 + 2500)
    assert kettle.temperature_c == pytest.approx(expected, abs=0.3)
    kettle.step(100_000, 0, cooler_w=1000)
    assert kettle.temperature_c == pytest.approx(COOLANT_C, abs=0.1)
    with pytest.raises(ValueError, match="negative"):
        kettle.step(1, 0, cooler_w=-1)


def test_a_nearly_dry_kettle_heats_faster_than_any_full_one() -> None:
    dry = Kettle(KettleParameters(water_kg=0.5), 40.0)
    dry.step(10, 3500)
    assert dry.temperature_c - 40 == pytest.approx(10 * 3500 / (0.5 * 4186 + 2500), rel=0.1)
    assert math.isfinite(dry.temperature_c)
