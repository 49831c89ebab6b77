"""The node's own tasks: what the service manager hears of a node that is not well."""

import asyncio
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from edge_node import app
from edge_node.gain_store import GainStore
from edge_node.node import Node
from tests.edge_node.actuation_bench import Bench
from tests.edge_node.gains_child import FOUND

STATES = ("outputs", "actuation", "sampler", "spool", None)


class Ailing:
    """Fails in one part after another, and is told when all have been asked for."""

    def __init__(self) -> None:
        self.states = list(STATES)
        self.asked = asyncio.Event()

    def failing(self) -> str | None:
        if not self.states:
            self.asked.set()
            return "sampler"
        return self.states.pop(0)


async def test_a_node_that_cannot_switch_off_or_does_not_look_is_left_to_its_watchdog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Ailing()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(0)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "30000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        task = asyncio.create_task(app._watch(cast("Node", node)))
        async with asyncio.timeout(30):
            await node.asked.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        # With a full disk, and when it is well.
        assert [manager.recv(100) for _ in range(2)] == [b"WATCHDOG=1"] * 2
        with pytest.raises(BlockingIOError):
            manager.recv(100)


async def test_gains_that_the_disk_refused_are_written_once_it_takes_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "_CHECK_S", 0.01)
    data_dir = bench.config.data_dir
    aside = data_dir.with_name("aside")
    data_dir.rename(aside)
    data_dir.write_text("no folder: nothing can be written here")
    gains = bench.actuation.gains
    gains.apply("c", FOUND)
    assert not gains.keep()
    rounds = 0

    def refresh() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            data_dir.unlink()
            aside.rename(data_dir)

    node = SimpleNamespace(actuation=bench.actuation, refresh=refresh)
    task = asyncio.create_task(app._check(cast("Node", node)))
    async with asyncio.timeout(30):
        while gains.problem is not None:
            assert not task.done()
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert rounds >= 3
    assert GainStore(bench.config)["c"] == FOUND
