"""1-Wire buses as a node drives them: conversions at once, triggers, resolution, power."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_node.hardware import Acquisition
from edge_node.model import Reading
from edge_node.simulation.sysfs import W1Tree
from edge_node.simulation.world import SimulatedBrewery
from tests.edge_node.hardware.conftest import LOG, PLAN, MakeAcquisition, node_config
from tests.edge_node.hardware.ticks import WAIT_S, qualities, tick, tick_until


async def test_eight_probes_on_one_bus_take_one_conversion_a_second(
    brewery: SimulatedBrewery, on_node: MakeAcquisition
) -> None:
    acquisition = await on_node("mash-1")
    tree = brewery.w1_tree("mash-1")
    devices = [channel["device"] for channel in brewery.channels("mash-1")]
    before = {device: tree.conversions(device) for device in devices}
    for _ in range(5):
        readings = await tick(acquisition)
        assert len(readings) == 8
        assert qualities(readings) == {"ok"}
        assert all(60 - r.value < 1.0 for r in readings.values() if r.value is not None)
    deadline = time.monotonic() + WAIT_S
    while tree.bulk_conversions < 5:  # the count follows the release of the writer
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    assert {tree.conversions(device) - before[device] for device in devices} == {5}
    assert tree.ignored_triggers == []
    assert acquisition.health()["buses"] == {
        "w1_bus_master1": {"probes": 8, "bulk": True, "conversions": 5, "trigger_errors": 0}
    }


async def test_a_trigger_that_fails_makes_no_old_reading_new(
    brewery: SimulatedBrewery, on_node: MakeAcquisition
) -> None:
    acquisition = await on_node("mash-1")
    await tick(acquisition)
    brewery.stop()
    bulk = brewery.w1_root("mash-1") / "w1_bus_master1" / "therm_bulk_read"
    bulk.unlink()
    bulk.symlink_to("/dev/full")  # every write fails, every probe still shows its last reading
    readings = await tick(acquisition)
    assert qualities(readings) == {"bad:io"}
    assert acquisition.health()["buses"]["w1_bus_master1"]["trigger_errors"] == 1


@pytest.mark.real_time
async def test_a_bus_that_hangs_is_timed_out_and_does_not_hold_other_channels(
    brewery: SimulatedBrewery, acquire: MakeAcquisition, patience: Callable[[float], None]
) -> None:
    acquisition = await acquire(
        [
            *brewery.channels("mash-1"),
            {"id": "log", "kettle": "mash", "driver": "replay", "file": str(LOG), "column": 1},
        ],
        w1={"root": str(brewery.w1_root("mash-1"))},
    )
    await tick(acquisition)
    brewery.stop()
    patience(0.1)
    for _ in range(3):
        readings = await tick(acquisition)
        assert readings.pop("log").quality == "ok"
        assert qualities(readings) <= {"bad:timeout", "bad:io"}
    again = SimulatedBrewery(brewery._plan, brewery._state_dir)
    again.start()
    await tick_until(acquisition, "temperature", "ok")
    again.stop()


async def test_without_bulk_conversion_the_probes_convert_side_by_side(
    tmp_path: Path, acquire: MakeAcquisition
) -> None:
    brewery = SimulatedBrewery(replace(PLAN, bulk=False), tmp_path)
    brewery.start()
    acquisition = await acquire(
        brewery.channels("mash-1"), w1={"root": str(brewery.w1_root("mash-1"))}
    )
    tree = brewery.w1_tree("mash-1")
    devices = [channel["device"] for channel in brewery.channels("mash-1")]
    before = {device: tree.conversions(device) for device in devices}
    for _ in range(3):
        assert qualities(await tick(acquisition)) == {"ok"}
    assert {tree.conversions(device) - before[device] for device in devices} == {3}
    assert acquisition.health()["buses"]["w1_bus_master1"]["bulk"] is False
    brewery.stop()


async def test_the_resolution_is_written_only_where_it_differs(
    brewery: SimulatedBrewery, acquire: MakeAcquisition
) -> None:
    root = brewery.w1_root("mash-1")
    channels = brewery.channels("mash-1")[:2]
    files = [root / channel["device"] / "resolution" for channel in channels]
    written = [file.stat().st_mtime_ns for file in files]
    channels[0]["resolution"] = 10
    acquisition = await acquire(channels, w1={"root": str(root)})
    assert files[0].read_text() == "10\n"
    assert files[1].stat().st_mtime_ns == written[1]
    assert acquisition.health()["power_mode"] == {
        "temperature": "external",
        "temperature_2": "external",
    }
    value = (await tick(acquisition))["temperature"].value
    assert value is not None
    assert (value * 4).is_integer()


async def test_parasite_power_is_told(brewery: SimulatedBrewery, acquire: MakeAcquisition) -> None:
    channel = brewery.channels("mash-1")[0]
    root = brewery.w1_root("mash-1")
    (root / channel["device"] / "ext_power").write_text("0\n")
    acquisition = await acquire([channel], w1={"root": str(root)})
    assert acquisition.health()["power_mode"] == {"temperature": "parasite"}


async def test_lead_is_the_longest_conversion_and_none_without_a_bus(
    tmp_path: Path, acquire: MakeAcquisition
) -> None:
    def lead(*bits: int) -> float:
        channels = [
            {"id": f"t{b}", "driver": "w1", "device": f"28-0000000000{b:02x}", "resolution": b}
            for b in bits
        ]
        return Acquisition(node_config(tmp_path, channels)).lead_s

    assert lead(9, 12) == 0.75
    assert lead(9, 10) == 0.19
    acquisition = await acquire([{"id": "old", "driver": "replay", "file": str(LOG), "column": 1}])
    assert acquisition.lead_s == 0


async def test_a_part_without_bulk_conversion_is_read_beside_the_others(
    tmp_path: Path, acquire: MakeAcquisition
) -> None:
    devices = ["28-0000000000a1", "42-0000000000b2"]
    tree = W1Tree(tmp_path / "w1", {d: lambda bits: 1040 for d in devices}, True, 0.02)
    tree.start()
    acquisition = await acquire(
        [
            {"id": f"t{number}", "driver": "w1", "device": device}
            for number, device in enumerate(devices)
        ],
        w1={"root": str(tmp_path / "w1")},
    )
    bulk = tree.root / "w1_bus_master1" / "therm_bulk_read"
    assert qualities(await tick(acquisition)) == {"ok"}
    tree.stop()
    bulk.unlink()
    bulk.symlink_to("/dev/full")
    readings = await tick(acquisition)
    assert readings["t0"].quality == "bad:io"
    assert readings["t1"] == Reading(65.0, "ok")  # no trigger concerns it


async def test_two_bus_masters_convert_at_the_same_time(
    tmp_path: Path, acquire: MakeAcquisition
) -> None:
    root = tmp_path / "w1"
    root.mkdir()
    trees = []
    channels = []
    for number in (1, 2):
        device = f"28-0000000000a{number}"
        tree = W1Tree(tmp_path / f"bus{number}", {device: lambda bits: 320}, True, 0.02)
        tree.start()
        trees.append(tree)
        (root / f"w1_bus_master{number}").symlink_to(tree.root / "w1_bus_master1")
        (root / device).mkdir()
        for path in (tree.root / device).iterdir():
            (root / device / path.name).symlink_to(path)
        (root / f"w1_bus_master{number}" / "w1_master_slaves").write_text(f"{device}\n")
        channels.append({"id": f"t{number}", "driver": "w1", "device": device})
    acquisition = await acquire(channels, w1={"root": str(root)})
    assert qualities(await tick(acquisition)) == {"ok"}
    buses = acquisition.health()["buses"]
    assert {name: bus["conversions"] for name, bus in buses.items()} == {
        "w1_bus_master1": 1,
        "w1_bus_master2": 1,
    }
    for tree in trees:
        tree.stop()
