import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_node import identity
from edge_node.alarms import Recent
from edge_node.clock import Clock, ClockKnownError
from edge_node.config import load
from edge_node.model import Reading
from edge_node.node import Node
from edge_node.sampler import Tick
from edge_node.spool import Entry, Spool
from tests.edge_node.fake_time import UTC, FakeTime

CONFIG = """\
node: {id: n, name: Node, data_dir: data}
kettles: [{id: k, name: Kettle, group: [n, m]}]
channels:
  - {id: a, name: Probe A, kettle: k, driver: w1, device: 28-0000000000a1}
  - {id: b, driver: w1, device: 28-0000000000a2}
"""


class Hardware:
    def health(self) -> dict[str, Any]:
        return {"bus_errors": {"a": {"crc": 2}}, "power_mode": {"a": "external"}, "buses": {}}


class Rig:
    """A node on a fake machine with a real spool."""

    def __init__(self, node: Node, machine: FakeTime) -> None:
        self.node = node
        self.machine = machine

    def tick(self, **readings: Reading) -> None:
        mono = self.machine.mono
        now = self.node.clock.now_ms()
        entries = [Entry(now, mono, f"n/{c}", r.value, r.quality) for c, r in readings.items()]
        self.node.deliver(Tick(now, mono, readings), entries)

    def alarm_ids(self) -> set[str]:
        self.node.refresh()
        return {alarm["id"] for alarm in self.node.state()["alarms"]}


GOOD = Reading(20.0, "ok")
BAD = Reading(None, "bad:empty")


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    path = tmp_path / "edge.yaml"
    path.write_text(CONFIG)
    config = load(path)
    machine = FakeTime()
    own = identity.create("n", config.data_dir)
    clock = Clock(config.data_dir / "clock.json", trust=False, source=machine)
    spool = Spool(config.data_dir / "spool.db", max_bytes=2**24, kernel_boot=clock.kernel_boot)
    await spool.open()
    yield Rig(Node(config, own, clock, spool, Hardware()), machine)
    await spool.close()


async def test_what_a_node_says_of_itself(rig: Rig) -> None:
    said = rig.node.describe()
    assert said["api"] == 1
    assert said["kettles"] == [
        {
            "kettle_id": "k",
            "kettle_name": "Kettle",
            "group": ["m", "n"],
            "safety": {
                "high_limit": 105.0,
                "disagree_k": 2.0,
                "volume_l": 20.0,
                "reference_required": False,
                "other_heat": False,
            },
        }
    ]
    assert said["channels"][0] == {
        "id": "a",
        "name": "Probe A",
        "kettle_id": "k",
        "kind": "temperature",
        "role": "process",
        "unit": "°C",
        "device_class": "temperature",
        "driver": "w1",
        "limits": [-55.0, 125.0],
    }
    assert said["clock"] == {"known": False, "source": None, "steps": 0}
    assert len(said["fingerprint"]) == 64
    assert said["spool"]["spool_id"] == rig.node.spool.spool_id


async def test_the_state_shows_the_newest_readings_also_without_a_clock(rig: Rig) -> None:
    rig.tick(a=GOOD, b=BAD)
    channels = rig.node.state()["channels"]
    assert channels == {
        "a": {"t": None, "value": 20.0, "quality": "ok"},
        "b": {"t": None, "value": None, "quality": "bad:empty"},
    }


async def test_a_reading_that_gets_old_is_no_reading(rig: Rig) -> None:
    never = {"t": None, "value": None, "quality": "bad:stale"}
    assert rig.node.state()["channels"]["a"] == never
    rig.node.set_clock(UTC)
    rig.tick(a=GOOD)
    rig.machine.run(5_000)
    assert rig.node.state()["channels"]["a"]["value"] == 20.0
    rig.machine.run(1)
    assert rig.node.state()["channels"]["a"] == {"t": UTC, "value": None, "quality": "bad:stale"}


async def test_a_clock_set_by_a_client_releases_what_waits(rig: Rig) -> None:
    rig.tick(a=GOOD)
    assert "clock_unknown" in rig.alarm_ids()
    rig.node.set_clock(UTC)
    async with asyncio.timeout(30):
        while not rig.node.spool.last_seq:
            await rig.node.spool.wait(0, 1)
    assert (await rig.node.spool.read(0, 10)).samples[0][1] == UTC
    assert "clock_unknown" not in rig.alarm_ids()
    with pytest.raises(ClockKnownError):
        rig.node.set_clock(UTC)


async def test_a_probe_alarms_when_it_stays_away_and_not_before(rig: Rig) -> None:
    rig.node.set_clock(UTC)
    for second in range(12):
        rig.tick(a=BAD, b=GOOD)
        assert ("probe_bad_a" in rig.alarm_ids()) == (second >= 10)
        rig.machine.run(1000)
    (alarm,) = rig.node.state()["alarms"]
    assert alarm["since"] == UTC + 10_000
    assert "Probe A (a) of node n" in alarm["text"]
    assert "pull-up" in alarm["text"]
    rig.tick(a=GOOD, b=GOOD)
    assert "probe_bad_a" not in rig.alarm_ids()
    # It was away for long within the last minute: a loose plug.
    assert "bus_errors_a" in rig.alarm_ids()
    for _ in range(60):
        rig.machine.run(1000)
        rig.tick(a=GOOD, b=GOOD)
    assert rig.alarm_ids() == set()


async def test_watchers_get_only_what_changed_and_a_broken_one_is_left_out(rig: Rig) -> None:
    rig.node.set_clock(UTC)
    changes: list[dict[str, Any]] = []

    def broken(_: dict[str, Any]) -> None:
        raise RuntimeError("I break")

    rig.node.subscribe(broken)
    end = rig.node.subscribe(changes.append)
    rig.tick(a=GOOD, b=GOOD)
    rig.tick(a=GOOD, b=replace(GOOD, value=21.0))
    rig.tick(a=GOOD, b=replace(GOOD, value=21.0))
    end()
    rig.tick(a=BAD, b=BAD)
    (alarm,) = changes[1].pop("alarms")
    assert alarm["id"] == "watcher_cut"
    assert changes == [
        {
            "channels": {
                "a": {"t": UTC, "value": 20.0, "quality": "ok"},
                "b": {"t": UTC, "value": 20.0, "quality": "ok"},
            }
        },
        {"channels": {"b": {"t": UTC, "value": 21.0, "quality": "ok"}}},
    ]


async def test_a_node_that_does_not_sample_fails_unless_it_is_paused(rig: Rig) -> None:
    rig.tick(a=GOOD)
    assert rig.node.failing() is None
    rig.machine.run(10_001)
    assert rig.node.failing() == "sampler"
    rig.node.paused = True
    assert rig.node.failing() is None


async def test_a_spool_that_cannot_write_alarms_at_once_and_fails_in_the_end(rig: Rig) -> None:
    rig.node.spool.problem = "spool.db cannot be written: disk I/O error"
    assert "spool_failing" in rig.alarm_ids()
    rig.node.spool.disk_full = True
    assert "disk_full" in rig.alarm_ids()
    rig.machine.run(10_001)
    rig.tick(a=GOOD)
    assert rig.node.failing() == "spool"


async def test_a_step_of_the_clock_is_an_alarm_for_an_hour(rig: Rig) -> None:
    rig.machine.synchronised = True
    rig.node.observe_clock()
    assert "clock_stepped" not in rig.alarm_ids()
    rig.machine.wall -= 60_000
    rig.node.observe_clock()
    assert "clock_stepped" in rig.alarm_ids()
    rig.machine.run(3_600_000)
    assert "clock_stepped" not in rig.alarm_ids()


async def test_a_part_that_died_is_shown_until_it_runs_again(rig: Rig) -> None:
    rig.node.report_task("api", "OSError: address in use")
    (text,) = [a["text"] for a in rig.node.state()["alarms"] if a["id"] == "task_api"]
    assert "address in use" in text
    rig.node.report_task("api", None)
    assert "task_api" not in rig.alarm_ids()


def test_a_counter_that_was_high_at_the_start_is_old_news() -> None:
    recent = Recent()
    assert not recent.active(5, 0)
    assert recent.active(6, 1_000)
    assert recent.active(6, 3_600_999)
    assert not recent.active(6, 3_601_000)
