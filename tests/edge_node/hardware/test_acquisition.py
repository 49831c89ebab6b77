"""Every channel of a node, once a second, by the production drivers on simulated trees."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from edge_node.hardware import Acquisition
from edge_node.model import Reading
from edge_node.simulation.plan import device_id
from edge_node.simulation.sysfs import W1Tree
from edge_node.simulation.world import SimulatedBrewery
from tests.edge_node.hardware.conftest import LOG, PLAN, MakeAcquisition, node_config

WAIT_S = 20.0


async def tick(acquisition: Acquisition) -> dict[str, Reading]:
    tick.now += 1.0  # type: ignore[attr-defined]
    async with asyncio.timeout(WAIT_S):
        return await acquisition.tick(1_800_000_000_000, now_mono=tick.now)  # type: ignore[attr-defined]


tick.now = 1e6  # type: ignore[attr-defined]


async def tick_until(acquisition: Acquisition, channel: str, quality: str) -> dict[str, Reading]:
    deadline = time.monotonic() + WAIT_S
    while (readings := await tick(acquisition))[channel].quality != quality:
        assert time.monotonic() < deadline, readings[channel]
    return readings


def qualities(readings: dict[str, Reading]) -> set[str]:
    return {reading.quality for reading in readings.values()}


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


async def test_each_reading_is_of_its_own_second(
    brewery: SimulatedBrewery, on_node: MakeAcquisition
) -> None:
    acquisition = await on_node("mash-1")
    first = (await tick(acquisition))["temperature"].value
    brewery.set_power("mash", 2_000_000)
    await asyncio.sleep(0.5)
    last = (await tick(acquisition))["temperature"].value
    assert first is not None
    assert last is not None
    assert last > first + 0.5


@pytest.mark.parametrize(
    ("fault", "quality"),
    [
        ("empty", "bad:empty"),
        ("bad_crc", "bad:crc"),
        ("power_on", "bad:power_on"),
        ("no_power", "bad:no_power"),
        ("zeros", "bad:zeros"),
        ("missing", "bad:missing"),
        ("slow", "bad:timeout"),
    ],
)
async def test_a_faulty_probe_is_bad_by_name_and_hurts_no_other(
    brewery: SimulatedBrewery,
    on_node: MakeAcquisition,
    patience: Callable[[float], None],
    fault: str,
    quality: str,
) -> None:
    if fault == "slow":
        patience(1.0)
    acquisition = await on_node("mash-1")
    await tick(acquisition)
    brewery.set_faults({"mash-1/temperature_3": fault})
    for _ in range(3):
        readings = await tick(acquisition)
        assert readings.pop("temperature_3") == Reading(None, quality)
        assert qualities(readings) == {"ok"}
    cause = quality.removeprefix("bad:")
    assert acquisition.health()["bus_errors"] == {"temperature_3": {cause: 3}}
    brewery.set_faults({})
    await tick_until(acquisition, "temperature_3", "ok")


async def test_a_hanging_probe_is_not_asked_again_and_costs_no_more_threads(
    brewery: SimulatedBrewery, on_node: MakeAcquisition, patience: Callable[[float], None]
) -> None:
    patience(0.1)
    acquisition = await on_node("mash-1")
    await tick(acquisition)
    threads = threading.active_count()
    brewery.set_faults({"mash-1/temperature": "slow"})
    for _ in range(20):
        assert (await tick(acquisition))["temperature"].quality == "bad:timeout"
    assert threading.active_count() <= threads + 1  # the simulator's, at its pipe


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


async def test_a_probe_that_is_not_there_at_the_start_is_read_when_it_comes(
    brewery: SimulatedBrewery, on_node: MakeAcquisition
) -> None:
    brewery.set_faults({"mash-1/temperature": "missing"})
    acquisition = await on_node("mash-1")
    assert (await tick(acquisition))["temperature"].quality == "bad:missing"
    brewery.set_faults({})
    await tick_until(acquisition, "temperature", "ok")


async def test_a_node_without_any_bus_says_missing(
    tmp_path: Path, acquire: MakeAcquisition
) -> None:
    acquisition = await acquire(
        [
            {"id": "t", "driver": "w1", "device": "28-0000000000a1"},
            {"id": "p", "driver": "iio", "device": "iio:device0", "input": "voltage0"}
            | {"unit": "kPa", "span": {"from": [0.5, 4.5], "to": [0, 413.7]}},
        ],
        w1={"root": str(tmp_path / "none")},
        iio={"root": str(tmp_path / "none")},
    )
    for _ in range(2):
        assert qualities(await tick(acquisition)) == {"bad:missing"}


async def test_the_replayed_fermenter_is_read_by_the_production_drivers(
    on_node: MakeAcquisition,
) -> None:
    acquisition = await on_node("cellar-1")
    readings = await tick(acquisition)
    assert list(readings) == ["temperature", "fridge_temperature", "pressure", "co2"]
    assert qualities(readings) == {"ok"}
    assert readings["temperature"].value == pytest.approx(18.96, abs=0.2)
    assert readings["fridge_temperature"].value == pytest.approx(19.94, abs=0.2)
    assert readings["pressure"].value == pytest.approx(0, abs=2)
    assert readings["co2"].value == pytest.approx(0.87, abs=0.05)


@pytest.mark.parametrize(
    ("channel", "fault", "cause"),
    [
        ("temperature", "empty", "empty"),
        ("pressure", "zeros", "range"),
        ("pressure", "missing", "missing"),
    ],
)
async def test_carbonation_is_bad_when_an_input_is(
    brewery: SimulatedBrewery, on_node: MakeAcquisition, channel: str, fault: str, cause: str
) -> None:
    acquisition = await on_node("cellar-1")
    brewery.set_faults({f"cellar-1/{channel}": fault})
    readings = await tick_until(acquisition, channel, f"bad:{cause}")
    assert readings["co2"] == Reading(None, "bad:input")


async def test_offsets_and_two_points_calibrate_the_probes(
    brewery: SimulatedBrewery, acquire: MakeAcquisition
) -> None:
    plain, shifted, line = brewery.channels("mash-1")[:3]
    shifted |= {"device": plain["device"], "offset": 1.5}
    line |= {"device": plain["device"], "calibration": [[0.0, 1.0], [100.0, 99.0]]}
    root = {"root": str(brewery.w1_root("mash-1"))}
    value = (await tick(await acquire([plain], w1=root)))["temperature"].value
    assert value is not None
    moved = (await tick(await acquire([shifted], w1=root)))["temperature_2"].value
    assert moved == pytest.approx(value + 1.5, abs=0.3)
    bent = (await tick(await acquire([line], w1=root)))["temperature_3"].value
    assert bent == pytest.approx(1 + value * 0.98, abs=0.3)


async def test_simulated_channels_are_read_from_a_tree_and_leave_none_behind(
    tmp_path: Path, acquire: MakeAcquisition
) -> None:
    acquisition = await acquire(
        [
            {"id": "toy", "kettle": "mash", "driver": "simulated"},
            {"id": "toy2", "kettle": "mash", "driver": "simulated"},
            {"id": "room", "driver": "simulated"},
        ]
    )
    readings = await tick(acquisition)
    assert readings["toy"].value == pytest.approx(65, abs=1)
    assert readings["toy2"].value == pytest.approx(65, abs=1)
    assert readings["room"].value == pytest.approx(20, abs=1)
    assert (tmp_path / "data" / "toy" / device_id("node-1", "toy")).is_symlink()
    await acquisition.close()
    assert not (tmp_path / "data" / "toy").exists()


async def test_a_reference_must_be_of_a_kettle_of_this_node(
    brewery: SimulatedBrewery, on_node: MakeAcquisition
) -> None:
    acquisition = await on_node("mash-1")
    acquisition.reference(85.0, 1.0)
    acquisition.reference(85.0, 1.0, kettle_id="mash")
    with pytest.raises(ValueError, match="hlt"):
        acquisition.reference(85.0, 1.0, kettle_id="hlt")


async def test_the_reference_lets_the_first_85_pass(
    brewery: SimulatedBrewery, on_node: MakeAcquisition
) -> None:
    brewery.set_faults({"mash-1/temperature": "power_on"})
    acquisition = await on_node("mash-1")
    assert (await tick(acquisition))["temperature"].quality == "bad:power_on"
    acquisition.reference(84.0, tick.now)  # type: ignore[attr-defined]
    assert (await tick(acquisition))["temperature"] == Reading(85.0, "ok")


async def test_a_true_ramp_through_85_loses_no_reading(
    tmp_path: Path, acquire: MakeAcquisition
) -> None:
    ramp = count(3 * 84 * 16)
    devices = [f"28-0000000000a{number}" for number in range(3)]
    tree = W1Tree(tmp_path / "w1", {d: lambda bits: next(ramp) // 3 for d in devices}, True, 0.02)
    tree.start()
    acquisition = await acquire(
        [
            {"id": f"t{number}", "kettle": "mash", "driver": "w1", "device": device}
            for number, device in enumerate(devices)
        ],
        w1={"root": str(tmp_path / "w1")},
    )
    seen: set[float | None] = set()
    for _ in range(2 * 16 + 1):
        readings = await tick(acquisition)
        assert qualities(readings) == {"ok"}
        seen |= {reading.value for reading in readings.values()}
    tree.stop()
    assert 85.0 in seen


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


async def test_close_leaves_no_thread_even_with_a_probe_missing(
    on_node: MakeAcquisition, brewery: SimulatedBrewery
) -> None:
    acquisition = await on_node("mash-1")
    brewery.set_faults({"mash-1/temperature": "missing"})
    await tick(acquisition)
    await acquisition.close()
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith(("w1 ", "channel "))]


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
