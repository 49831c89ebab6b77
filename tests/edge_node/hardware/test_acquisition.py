"""Every channel of a node, once a second, by the production drivers on simulated trees."""

import asyncio
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from edge_node.model import Reading
from edge_node.simulation.plan import device_id
from edge_node.simulation.sysfs import W1Tree
from edge_node.simulation.world import SimulatedBrewery
from tests.edge_node.hardware.conftest import MakeAcquisition
from tests.edge_node.hardware.ticks import WAIT_S, qualities, tick, tick_until


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


@pytest.mark.real_time  # all but the slow one must answer within a second
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


@pytest.mark.real_time
async def test_a_hanging_probe_is_not_asked_again_and_costs_no_more_threads(
    brewery: SimulatedBrewery,
    on_node: MakeAcquisition,
    patience: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patience(0.1)
    monkeypatch.setattr("edge_node.simulation.sysfs.SLOW_S", 3600.0)  # however long the ticks take
    acquisition = await on_node("mash-1")
    await tick(acquisition)
    threads = threading.active_count()
    brewery.set_faults({"mash-1/temperature": "slow"})
    for _ in range(20):
        assert (await tick(acquisition))["temperature"].quality == "bad:timeout"
    assert threading.active_count() <= threads + 1  # the simulator's, at its pipe


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


async def test_close_leaves_no_thread_even_with_a_probe_missing(
    on_node: MakeAcquisition, brewery: SimulatedBrewery
) -> None:
    before = set(threading.enumerate())  # of other tests, some may be ending only now

    def left() -> list[str]:
        names = [thread.name for thread in set(threading.enumerate()) - before]
        return [name for name in names if name.startswith(("w1 ", "channel "))]

    acquisition = await on_node("mash-1")
    brewery.set_faults({"mash-1/temperature": "missing"})
    await tick(acquisition)
    assert left()
    await acquisition.close()
    deadline = time.monotonic() + WAIT_S
    while names := left():
        assert time.monotonic() < deadline, names
        await asyncio.sleep(0.01)
