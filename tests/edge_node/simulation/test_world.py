"""The simulated brewery as a whole."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_node.simulation.plan import device_id
from edge_node.simulation.world import BreweryPlan, KettlePlan, NodePlan, SimulatedBrewery
from tests.edge_node.simulation.test_pipes import until, write

LOG = Path(__file__).parents[2] / "data" / "fermentation-2012-09-26.csv"
PLAN = BreweryPlan(
    kettles=(
        KettlePlan("mash-tun", start_c=50.0),
        KettlePlan("hlt", start_c=70.0),
        KettlePlan("fermenter", replay=LOG),
    ),
    nodes=(
        NodePlan("mash-1", ("mash-tun",), probes=2),
        NodePlan("hot-1", ("hlt", "mash-tun")),
        NodePlan("cellar-1", ("fermenter",)),
    ),
    time_scale=0.02,
)


@pytest.fixture
def brewery(tmp_path: Path) -> Iterator[SimulatedBrewery]:
    brewery = SimulatedBrewery(PLAN, tmp_path)
    brewery.start()
    yield brewery
    brewery.stop()


def celsius(brewery: SimulatedBrewery, node: str, channel: str) -> float:
    write(brewery.w1_root(node) / "w1_bus_master1" / "therm_bulk_read")
    text = (brewery.w1_root(node) / device_id(node, channel) / "temperature").read_text()
    return int(text) / 1000


def test_each_node_has_the_channels_of_its_kettles(brewery: SimulatedBrewery) -> None:
    def ids(node: str) -> list[tuple[str, str, str]]:
        return [(c["id"], c["driver"], c["kettle"]) for c in brewery.channels(node)]

    assert ids("mash-1") == [
        ("temperature", "w1", "mash-tun"),
        ("temperature_2", "w1", "mash-tun"),
    ]
    assert ids("hot-1") == [
        ("hlt_temperature", "w1", "hlt"),
        ("mash_tun_temperature", "w1", "mash-tun"),
    ]
    assert ids("cellar-1") == [
        ("temperature", "w1", "fermenter"),
        ("fridge_temperature", "w1", "fermenter"),
        ("pressure", "iio", "fermenter"),
        ("co2", "carbonation", "fermenter"),
    ]
    assert [c["role"] for c in brewery.channels("mash-1")] == ["process", "auxiliary"]


def test_device_ids_are_the_same_for_ever() -> None:
    assert device_id("mash-1", "temperature") == device_id("mash-1", "temperature")
    assert re.fullmatch(r"28-[0-9a-f]{12}", device_id("mash-1", "temperature"))
    assert device_id("mash-1", "temperature") != device_id("mash-2", "temperature")


def test_all_nodes_of_a_kettle_measure_the_same_water(brewery: SimulatedBrewery) -> None:
    assert celsius(brewery, "mash-1", "temperature") == pytest.approx(50, abs=0.6)
    assert celsius(brewery, "hot-1", "mash_tun_temperature") == pytest.approx(50, abs=0.6)
    assert celsius(brewery, "hot-1", "hlt_temperature") == pytest.approx(70, abs=0.6)
    assert celsius(brewery, "cellar-1", "temperature") == pytest.approx(18.96, abs=0.2)


def test_an_element_heats_the_water(brewery: SimulatedBrewery) -> None:
    before = brewery.temperature("mash-tun")
    brewery.set_power("mash-tun", 500_000, pump=True)
    until(lambda: brewery.temperature("mash-tun") > before + 1)
    with pytest.raises(ValueError, match="no element"):
        brewery.set_power("fermenter", 1)


def test_faults_are_set_and_cleared_by_the_file(brewery: SimulatedBrewery, tmp_path: Path) -> None:
    probe = brewery.w1_root("mash-1") / device_id("mash-1", "temperature")

    def say(faults: object) -> None:
        (tmp_path / "new.json").write_text(json.dumps(faults))
        (tmp_path / "new.json").rename(tmp_path / "faults.json")

    say({"mash-1/temperature": "missing", "cellar-1/pressure": "zeros"})
    until(lambda: not probe.exists())
    raw = brewery.iio_root("cellar-1") / "iio:device0" / "in_voltage0_raw"
    until(lambda: raw.read_text() == "0\n")
    say({})
    until(probe.exists)
    until(lambda: raw.read_text() != "0\n")


def test_a_step_that_misses_its_folder_says_so_and_the_next_one_tries(
    brewery: SimulatedBrewery, caplog: pytest.LogCaptureFixture
) -> None:
    folder = brewery.iio_root("cellar-1") / "iio:device0"
    aside = folder.with_name("aside")
    folder.rename(aside)
    until(lambda: caplog.text.count("FileNotFoundError") > 1)
    aside.rename(folder)
    raw = folder / "in_voltage0_raw"
    raw.unlink(missing_ok=True)
    until(raw.exists)


def test_a_faults_file_that_is_no_json_leaves_the_faults_as_they_are(
    brewery: SimulatedBrewery, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    brewery.set_faults({"mash-1/temperature": "empty"})
    (tmp_path / "faults.json").write_text("{")
    until(lambda: "not all faults could be set" in caplog.text)
    probe = brewery.w1_root("mash-1") / device_id("mash-1", "temperature")
    assert (probe / "w1_slave").read_text() == ""


def test_faults_that_cannot_be_are_named_and_the_others_are_set(brewery: SimulatedBrewery) -> None:
    with pytest.raises(ValueError, match=r"mash-1/nothing.*hot.*cellar-1/pressure") as caught:
        brewery.set_faults(
            {
                "mash-1/nothing": "empty",
                "cellar-1/pressure": "power_on",
                "hot-1/hlt_temperature": "no such fault",
                "mash-1/temperature": "empty",
            }
        )
    assert "no probe, input" in str(caught.value)
    probe = brewery.w1_root("mash-1") / device_id("mash-1", "temperature")
    assert (probe / "w1_slave").read_text() == ""


def test_a_second_run_takes_the_state_folder_over(tmp_path: Path) -> None:
    for _ in range(2):
        brewery = SimulatedBrewery(PLAN, tmp_path)
        brewery.start()
        celsius(brewery, "mash-1", "temperature")
        brewery.stop()


def test_stop_is_quick_and_ends_all_threads(tmp_path: Path) -> None:
    brewery = SimulatedBrewery(PLAN, tmp_path)
    brewery.start()
    brewery.set_faults({"mash-1/temperature": "slow"})
    before = time.monotonic()
    brewery.stop()
    assert time.monotonic() - before < 10


@pytest.mark.parametrize(
    ("kettles", "nodes", "problem"),
    [
        ((KettlePlan("a"), KettlePlan("a")), (), "twice"),
        ((KettlePlan("a"),), (NodePlan("n", ("b",)),), "do not exist"),
        ((KettlePlan("A b"),), (), "no id"),
        ((KettlePlan("a"),), (NodePlan("n", ("a",), probes=0),), "at least one probe"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(
    kettles: tuple[KettlePlan, ...], nodes: tuple[NodePlan, ...], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        BreweryPlan(kettles, nodes)


def test_a_kettle_runs_dry_and_is_filled_again(brewery: SimulatedBrewery) -> None:
    brewery.set_faults({"mash-tun": "dry"})
    brewery.set_power("mash-tun", 3500.0)
    before = brewery.temperature("mash-tun")
    # A full kettle would take twenty times as long.
    until(lambda: brewery.temperature("mash-tun") > before + 2)
    brewery.set_faults({})
    with pytest.raises(ValueError, match="can be dry"):
        brewery.set_faults({"fermenter": "dry"})
    with pytest.raises(ValueError, match="can be dry"):
        brewery.set_faults({"mash-tun": "dead"})
