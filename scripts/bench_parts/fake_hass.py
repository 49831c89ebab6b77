"""The other end of the bridge's websocket, in a process of its own.

`python -m scripts.bench_parts.fake_hass FOLDER` writes its address to `FOLDER/url`. First it holds
a backlog of `NODES` nodes, then, with SIGUSR1, each of them takes eight readings a second.
"""

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final, override

from tests.storage_bridge.fake_home_assistant import FakeHomeAssistant, FakeNode

NODES: Final = 40
CHANNELS: Final = 8
BACKLOG: Final = 10_000  # samples of each node
_PER_TICK: Final = CHANNELS
_AGE_S: Final = 3600  # how old the end of the backlog is: nobody takes it for live
_PATTERN: Final = [round(16 * (60 + n / 200 + n % 8 / 7)) / 16 for n in range(4000)]


class Node(FakeNode):
    """A node whose probes ramp up in sixteenths of a degree, all well."""

    def __init__(self, node_id: str, t0: int) -> None:
        super().__init__(node_id, BACKLOG, channels=CHANNELS)
        self.t0 = t0
        self._series = [f"{node_id}/temperature_{n + 1}" for n in range(CHANNELS)]

    @override
    def event(self, after: int, limit: int) -> dict[str, Any] | None:
        low, high = after + 1, min(self.last, after + limit)
        if low > high:
            return None
        rows = [
            [
                seq,
                self.t0 + (seq - 1) // _PER_TICK * 1000,
                (seq - 1) % _PER_TICK,
                _PATTERN[seq % 4000],
                "ok",
                None,
            ]
            for seq in range(low, high + 1)
        ]
        return {
            "node_id": self.node_id,
            "spool_id": self.spool,
            "series": self._series,
            "batches": [],
            "samples": rows,
            "next": high,
            "gap": None,
            "holes": [],
        }


async def _serve(folder: Path) -> None:
    t0 = (int(time.time()) - _AGE_S - BACKLOG // _PER_TICK) * 1000
    nodes = [Node(f"bench-{n:03d}", t0) for n in range(NODES)]
    loop = asyncio.get_running_loop()
    stop, live = asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, live.set)
    async with FakeHomeAssistant(*nodes) as home:
        (folder / "url.new").write_text(home.url)
        (folder / "url.new").rename(folder / "url")
        ticking = asyncio.create_task(_live(home, nodes, live))
        await stop.wait()
        ticking.cancel()


async def _live(home: FakeHomeAssistant, nodes: list[Node], live: asyncio.Event) -> None:
    await live.wait()
    while True:
        await asyncio.sleep(1 - time.time() % 1)
        for node in nodes:
            # The tick that begins now is of this second, however long the backlog took.
            node.t0 = round(time.time()) * 1000 - node.last // _PER_TICK * 1000
            node.last += _PER_TICK
        home.poke()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
