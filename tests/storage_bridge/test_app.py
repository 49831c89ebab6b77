"""The bridge put together."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from storage_bridge.app import Bridge
from storage_bridge.cli import main
from storage_bridge.config import load
from storage_bridge.data_dir import DataDirError
from storage_bridge.outbox_schema import OutboxError
from storage_bridge.tiers.base import TierUnavailableError

from .bridge_files import write_config
from .fake_home_assistant import FakeHomeAssistant, FakeNode
from .waiting import until


@asynccontextmanager
async def _bridge(folder: Path, url: str, **changes: object) -> AsyncIterator[Bridge]:
    bridge = Bridge(load(write_config(folder, url, **changes)))
    await bridge.start()
    try:
        yield bridge
    finally:
        await bridge.stop()


async def test_samples_go_from_home_assistant_to_the_api_home_assistant_is_told_of(
    tmp_path: Path,
) -> None:
    node = FakeNode("n", 2000, channels=1)
    async with FakeHomeAssistant(node) as ha, _bridge(tmp_path, ha.url) as bridge:
        await until(ha.acked_all, "all acknowledged")
        await until(lambda: all(f.idle for f in bridge.feeders.values()), "all stored")
        told = ha.registered[0]
        headers = {"Authorization": f"Bearer {told['secret']}"}
        async with aiohttp.ClientSession(told["url"], headers=headers) as session:
            query = "series=n/t0&start=0&end=100000000000000&points=100"
            async with session.get(f"/v1/history?{query}") as response:
                history: dict[str, Any] = await response.json()
            async with session.get("/v1/status") as response:
                status: dict[str, Any] = await response.json()
            async with session.get("/metrics") as response:
                metrics = await response.text()
            async with session.get("/healthz") as response:
                assert response.status == 200
        assert any(point[1] is not None for point in history["series"]["n/t0"])
        assert status["coverage"]["n"][0]["samples"] == 2000
        assert status["sinks"]["warm"]["written"] == 2000
        assert status["outbox"]["counters"]["samples"] == 2000
        assert all(task["running"] for task in status["tasks"].values())
        assert status["alarms"] == []
        assert told["secret"] not in json.dumps(status)
        assert 'smart_beer_bridge_node_samples{node="n"} 2000' in metrics


async def test_a_second_bridge_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    async with FakeHomeAssistant() as ha, _bridge(tmp_path, ha.url) as bridge:
        second = Bridge(bridge.config)
        with pytest.raises(DataDirError, match=r"Another bridge .* is running on data_dir"):
            await second.start()
        runtime = bridge.config.runtime_path
        assert runtime.exists(), "the first one's file is not the second's to remove"
        assert stat.S_IMODE(runtime.stat().st_mode) == 0o600
        assert stat.S_IMODE(bridge.config.data_dir.stat().st_mode) == 0o700
    async with FakeHomeAssistant() as ha, _bridge(tmp_path, ha.url):
        pass


async def test_a_tier_that_cannot_be_opened_holds_up_nothing_else(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "store.db").mkdir(parents=True)  # no SQLite file can be there
    node = FakeNode("n", 500)
    async with FakeHomeAssistant(node) as ha, _bridge(tmp_path, ha.url) as bridge:
        await until(ha.acked_all, "the outbox takes everything")
        await until(lambda: bridge.feeders["warm"].failures > 0, "the feeder tries")
        status = await bridge.status()
        assert set(status["tiers"]["closed"]) == {"hot", "warm", "cold"}
        assert any("warm tier" in alarm for alarm in status["alarms"])
        (data / "store.db").rmdir()
        await bridge.keeper.open_now()
        await until(lambda: bridge.feeders["warm"].idle, "what waited is stored")
        assert await bridge.tiers.warm.count() == 500


async def test_a_cold_tier_that_went_away_is_an_alarm_and_a_line_and_a_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeHomeAssistant() as ha, _bridge(tmp_path, ha.url) as bridge:
        command = ["status", "--config", str(tmp_path / "bridge.yaml")]
        await until(lambda: bridge.keeper.last_pass is not None, "its own first pass is over")
        await bridge.keeper.ask_now()
        assert await asyncio.to_thread(main, command) == 0
        assert "Tier cold: answers" in capsys.readouterr().out

        async def away(*_args: object) -> None:
            raise TierUnavailableError("Nobody is at 127.0.0.9.")

        monkeypatch.setattr(bridge.tiers.cold, "span", away)
        monkeypatch.setattr(bridge.tiers.cold.records, "seal", away)
        await bridge.keeper.ask_now()
        await bridge.keeper.archive_once()
        alarms = (await bridge.status())["alarms"]
        assert "The cold tier cannot be used: Nobody is at 127.0.0.9." in alarms
        assert "Archiving does not get on: Nobody is at 127.0.0.9." in alarms
        metrics = await bridge.metrics()
        assert 'smart_beer_bridge_tier_closed{tier="cold"} 1' in metrics
        assert "smart_beer_bridge_archive_failing 1" in metrics
        assert bridge.failing() is None, "samples are still taken in"
        assert await asyncio.to_thread(main, command) == 0
        shown = capsys.readouterr().out
        assert "Tier cold: Nobody is at 127.0.0.9." in shown
        assert "it does not get on: Nobody is at 127.0.0.9." in shown


async def test_a_feeder_that_dies_is_started_again_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = FakeNode("n", 300)
    async with FakeHomeAssistant() as ha, _bridge(tmp_path, ha.url) as bridge:
        write = bridge.tiers.warm.write
        deaths = iter([True])

        async def dies_once(samples: Any) -> Any:
            if next(deaths, False):
                raise ZeroDivisionError("a bug")
            return await write(samples)

        monkeypatch.setattr(bridge.tiers.warm, "write", dies_once)
        ha.nodes["n"] = node
        ha.poke()
        await until(lambda: bridge.supervisor.status()["feed warm"]["restarts"] == 1, "it died")
        await until(lambda: bridge.feeders["warm"].written == 300, "and went on")


async def test_a_spoiled_outbox_is_refused_and_everything_let_go(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "outbox.db").write_bytes(b"spoiled " * 1000)
    bridge = Bridge(load(write_config(tmp_path, "ws://127.0.0.1:9/api/websocket")))
    with pytest.raises(OutboxError, match=r"outbox\.db"):
        await bridge.start()
    (tmp_path / "data" / "outbox.db").unlink()
    again = Bridge(bridge.config)
    await again.start()
    await again.stop()
    assert len(asyncio.all_tasks()) == 1


async def test_a_full_outbox_fails_the_health_check(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "store.db").mkdir(parents=True)
    node = FakeNode("n", 10**7, channels=1)
    async with (
        FakeHomeAssistant(node) as ha,
        _bridge(tmp_path, ha.url, outbox={"max_bytes": "1MiB"}) as bridge,
    ):
        node.channels = 7
        await until(lambda: bridge.failing() == "outbox", "it is full")
        kept = (await bridge.outbox.resume())["n"][1]
        await until(lambda: ha.acked.get(("n", "s1")) == kept, "what is kept is acknowledged")
        await asyncio.sleep(0.5)
        assert ha.acked[("n", "s1")] == kept, "nothing more is acknowledged"
        assert bridge.source.connected
        assert any("full" in alarm for alarm in (await bridge.status())["alarms"])
