"""What the bridge of a server that follows leaves to the leader's, and what it cannot."""

import time
from typing import TYPE_CHECKING, Any

import pytest

from storage_bridge.app import Bridge
from storage_bridge.config import load
from storage_bridge.keeper import DAY_MS
from storage_bridge.model import Sample
from storage_bridge.tiers import embedded

from .bridge_files import write_config
from .fake_home_assistant import FakeHomeAssistant
from .waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from storage_bridge.tiers import Tiers

MONGO = {"driver": "motor", "url": "mongodb://127.0.0.1:9/?replicaSet=rs0"}


@pytest.mark.parametrize(
    ("tiers", "archived"),
    [({}, 1), ({"cold": {"driver": "cassandra", "hosts": ["127.0.0.1"]}}, 1), ({"warm": MONGO}, 0)],
)
async def test_a_follower_archives_what_only_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiers: dict[str, Any], archived: int
) -> None:
    """Two servers share a MongoDB; a file is each one's own, and would grow for ever."""

    def in_a_file(_: object, path: Path) -> Tiers:
        return embedded(path)

    monkeypatch.setattr("storage_bridge.app.tiers_of", in_a_file)
    async with FakeHomeAssistant() as ha:
        bridge = Bridge(load(write_config(tmp_path, ha.url, tiers=tiers)))
        await bridge.start()
        try:
            await until(lambda: bridge.following.leader.leads, "Home Assistant has been heard")
            bridge.following.leader.take("off", "another")
            assert bridge.following.leader.elsewhere
            old = time.time_ns() // 1_000_000 - 31 * DAY_MS
            await bridge.tiers.warm.write([Sample("a/t", old, 1.0, "ok", None)])
            await bridge.keeper.archive_once()
            assert await bridge.tiers.cold.count() == archived
        finally:
            await bridge.stop()
