"""The bridge and its commands on real stores, mixed and all together."""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any, override

import pytest

from storage_bridge.app import Bridge
from storage_bridge.cli import main
from storage_bridge.config import load
from storage_bridge.stored import stored_samples

from .bridge_files import write_config
from .events import EPOCH
from .fake_home_assistant import FakeHomeAssistant, FakeNode
from .waiting import until

SHIFT = time.time_ns() // 1_000_000 - 3_600_000 - EPOCH


class _Fresh(FakeNode):
    """A node whose samples are of the last hour: Redis lets older ones go."""

    @override
    def event(self, after: int, limit: int) -> dict[str, Any] | None:
        found = super().event(after, limit)
        for row in found["samples"] if found else ():
            row[1] += SHIFT
        return found


@pytest.mark.parametrize(
    "stores", [("redis",), ("redis", "mongo", "cassandra"), ("mongo",)], indirect=True, ids="+".join
)
async def test_a_sample_goes_through_every_store_and_every_command_finds_it(
    stores: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    node = _Fresh("n", 2000, channels=2)
    async with FakeHomeAssistant(node) as ha:
        path = write_config(tmp_path, ha.url, tiers=stores)
        config = load(path)
        bridge = Bridge(config)
        await bridge.start()
        try:
            await until(ha.acked_all, "all acknowledged")
            await until(lambda: all(f.idle for f in bridge.feeders.values()), "all stored")
            await until(lambda: bridge.filler.fills > 0, "hot counts as filled")
            await until(lambda: not bridge.keeper.closed, "every store is open")
            # A store that was slow to open has kept the first pass from archiving.
            await until(lambda: bridge.keeper.archive_problem is None, "archiving gets on")
            status = await bridge.status()
            assert status["tiers"]["closed"] == {}
            assert status["alarms"] == []
            assert "hot" in json.dumps(status["sinks"])
            assert await bridge.tiers.hot.count() == 2000
            assert await bridge.tiers.warm.count() == 2000
            newest = await bridge.tiers.hot.newest()
            assert {last.seq for last in newest.values()} == {1999, 2000}
        finally:
            await bridge.stop()
        found = Counter([(s.series, s.t) async for s in stored_samples(config)])
        assert len(found) == 2000
        assert set(found.values()) == {1}
        files = {file.name for file in (tmp_path / "data").glob("*.db")}
        embedded = {"store.db"} if len(stores) < 3 else set()
        own_hot = {"hot-store.db"} if "warm" in stores and "hot" not in stores else set()
        assert files == {"outbox.db"} | embedded | own_hot

        def run(*arguments: str) -> str:
            assert main([*arguments, "--config", str(path)]) in {0, 1}
            return capsys.readouterr().out

        everything = ["--series", "n/t0", "--start", "0"]
        out = await asyncio.to_thread(run, "query", *everything)
        assert len(out.splitlines()) == 1000
        out = await asyncio.to_thread(run, "export", *everything)
        assert len(out.splitlines()) == 1001
        verdict = json.loads(await asyncio.to_thread(run, "verify", "--json", "--wait", "0"))
        assert verdict["missing"] == []
        assert verdict["ok"]
