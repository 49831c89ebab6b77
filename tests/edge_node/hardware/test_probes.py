"""What is found on a machine."""

import time
from pathlib import Path

import pytest

from edge_node.hardware import list_probes
from edge_node.simulation.world import SimulatedBrewery


def test_every_probe_and_input_is_listed_with_its_reading(brewery: SimulatedBrewery) -> None:
    node = "cellar-1"
    found = list_probes(brewery.w1_root(node), brewery.iio_root(node))
    assert [probe.driver for probe in found] == ["w1", "w1", "iio"]
    beer = next(p for p in found if p.device == brewery.channels(node)[0]["device"])
    assert (beer.bus, beer.model, beer.unit) == ("w1_bus_master1", "DS18B20", "°C")
    assert (beer.quality, beer.power) == ("ok", "external")
    assert beer.value == pytest.approx(18.96, abs=0.2)
    pressure = found[-1]
    assert (pressure.device, pressure.input, pressure.model) == (
        "iio:device0",
        "voltage0",
        "ads1115",
    )
    assert (pressure.unit, pressure.quality) == ("V", "ok")
    assert pressure.value == pytest.approx(0.5, abs=0.05)


def test_all_probes_of_a_bus_take_one_conversion(brewery: SimulatedBrewery) -> None:
    tree = brewery.w1_tree("mash-1")
    devices = [channel["device"] for channel in brewery.channels("mash-1")]
    before = {device: tree.conversions(device) for device in devices}
    assert len(list_probes(brewery.w1_root("mash-1"), brewery.iio_root("mash-1"))) == 8
    assert {tree.conversions(device) - before[device] for device in devices} == {1}


def test_a_bad_probe_is_listed_with_its_cause(brewery: SimulatedBrewery) -> None:
    brewery.set_faults({"mash-1/temperature": "empty", "mash-1/temperature_2": "zeros"})
    found = list_probes(brewery.w1_root("mash-1"), brewery.iio_root("mash-1"))
    assert sorted(p.quality for p in found if p.quality != "ok") == ["bad:empty", "bad:zeros"]
    assert all(probe.value is None for probe in found if probe.quality != "ok")


@pytest.mark.real_time  # the others must answer within two seconds
def test_a_bus_that_does_not_answer_ends_in_time(
    brewery: SimulatedBrewery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_node.hardware.probes._TIMEOUT_S", 2.0)
    brewery.set_faults({"mash-1/temperature": "slow"})
    device = brewery.channels("mash-1")[0]["device"]
    before = time.monotonic()
    found = {p.device: p for p in list_probes(brewery.w1_root("mash-1"), Path("/nowhere"))}
    assert time.monotonic() - before < 10
    assert found[device].quality == "bad:timeout"
    assert sum(probe.quality == "ok" for probe in found.values()) == 7


def test_a_machine_without_probes_has_none(tmp_path: Path) -> None:
    assert list_probes(tmp_path / "none", tmp_path / "none") == []
