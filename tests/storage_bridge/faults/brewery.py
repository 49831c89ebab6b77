"""Bridge processes on real stores, fed by a Home Assistant of the tests, and held against a truth.

"The union of the tiers is what was acknowledged, no gap, no duplicate" is `Brewery.check`.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from storage_bridge.codec import verified
from storage_bridge.config import load
from storage_bridge.keeper import DAY_MS
from storage_bridge.model import Sample, hour_of, is_number
from storage_bridge.reader import Reader
from storage_bridge.stored import StoreError, all_series, stored_samples
from storage_bridge.tiers import Tiers, tiers_of
from storage_bridge.tiers.base import TierUnavailableError
from tests.storage_bridge.fake_home_assistant import FakeHomeAssistant

from .nodes import CHANNELS, Node, kept_by_hot
from .process import BridgeProcess, MoverProcess, Process
from .stores import Stores, fresh_name

PATIENCE_S: Final = 120.0
POINTS: Final = 500
FAR: Final = 1 << 42  # in 2109; a server in Python knows no year 10000


class Brewery:
    """Use with `async with`; ends every process that it started, and leaves the stores running."""

    def __init__(self, stores: Stores, folder: Path, *nodes: Node, batch: int = 1000) -> None:
        self.stores = stores
        self.nodes = nodes
        self.ha = FakeHomeAssistant(*nodes, batch=batch)
        self.bridges: list[BridgeProcess] = []
        self.movers: list[MoverProcess] = []
        self.spoiled: set[tuple[str, int]] = set()  # keys of records made unreadable on their way
        self._name = fresh_name()
        self._folder = folder
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.ha)
        return self

    async def __aexit__(self, *exc: object) -> None:
        for process in (*self.movers, *self.bridges):
            await process.kill()
        await self._stack.aclose()

    async def add_bridge(self, **settings: Any) -> BridgeProcess:
        """Start one more bridge, with a folder of its own; its `module`, and its configuration."""
        folder = self._folder / f"bridge-{len(self.bridges)}"
        tiers = self.stores.tiers(self._name) | settings.pop("tiers", {})
        bridge = BridgeProcess(folder, self.ha.url, tiers=tiers, **settings)
        self.bridges.append(bridge)
        await bridge.start()
        return bridge

    async def add_mover(self) -> MoverProcess:
        """Archive what is old enough without pause, in one more process."""
        mover = MoverProcess(self.bridges[0].config)
        self.movers.append(mover)
        await mover.start()
        return mover

    def grow(self, samples: int) -> None:
        """Each node takes so many more."""
        for node in self.nodes:
            self.ha.grow(node.node_id, samples)

    def load(self, samples: int = 20, pause_s: float = 0.05) -> asyncio.Task[None]:
        """Let the nodes take samples until this is cancelled."""

        async def run() -> None:
            while True:
                self.grow(samples)
                await asyncio.sleep(pause_s)

        return asyncio.create_task(run())

    @property
    def truth(self) -> set[Sample]:
        """What the nodes took, without what became unreadable on its way."""
        every = {row for node in self.nodes for row in node.samples()}
        return {row for row in every if (row.series, row.t) not in self.spoiled}

    async def is_taken(self, node_id: str, seq: int) -> bool:
        """Whether the first bridge's outbox has a node's samples up to that number."""
        return self.bridges[0].resume(node_id) >= seq

    def acked(self, node: Node) -> int:
        """The newest number of a node that was acknowledged to Home Assistant."""
        return self.ha.acked.get((node.node_id, node.spool), 0)

    async def _has_taken(self, bridge: BridgeProcess) -> bool:
        return all(bridge.resume(node.node_id) >= node.last for node in self.nodes)

    async def taken(self) -> None:
        """Return when every bridge has taken in everything."""
        for bridge in self.bridges:
            await self.until(partial(self._has_taken, bridge), "taken in")

    async def settled(self) -> None:
        """Return when everything is taken in, delivered, and archived where a mover runs."""
        await self.taken()
        for bridge in self.bridges:
            await self.until(bridge.delivered, "delivered")
        async with self.tiers() as tiers:
            must, _ = kept_by_hot(self.truth)

            async def hot_has_it() -> bool:
                return must <= set(await _rows(tiers.hot.read, await tiers.hot.series()))

            await self.until(hot_has_it, "in hot")
            if self.movers:
                await self.until(lambda: self._archived(tiers), "archived")

    async def check(self) -> None:
        """Wait until all is settled; then the union of the tiers is the truth, everything once."""
        await self.settled()
        async with self.tiers() as tiers:
            # Asked again where one does not answer in time: a server of its cluster is dead, say.
            await self.until(partial(self._hold_the_truth, tiers), "all stores say what they hold")

    async def _hold_the_truth(self, tiers: Tiers) -> bool:
        truth = self.truth
        names = await all_series(tiers)
        hot = await _rows(tiers.hot.read, names)
        warm = await _rows(tiers.warm.read, names)
        cold = [
            row
            for name in names
            for chunk in await tiers.cold.chunks(name, 0, FAR)
            for row in verified(chunk)
        ]
        for rows in (hot, warm, set(cold) if len(self.movers) > 1 else cold):
            # Two movers that saw an hour grow may each have written it. That is allowed: an
            # hour's chunks are merged by key, and two contents of a key would be two of these.
            assert max(Counter((row.series, row.t) for row in rows).values(), default=1) == 1
        must, may = kept_by_hot(truth)
        assert must <= set(hot) <= may, "hot is the newest days of the truth"
        assert set(warm) | set(cold) == truth, "warm and cold are the truth"
        if self.movers:
            assert not {(r.series, r.t) for r in warm} & {(r.series, r.t) for r in cold}
            assert cold
        assert await tiers.warm.conflicts(9) == []
        await _check_chart(Reader(*tiers), truth)
        union = [row async for row in stored_samples(load(self.bridges[0].config))]
        assert union == sorted(truth), "no gap, no duplicate"
        return True

    @asynccontextmanager
    async def tiers(self) -> AsyncIterator[Tiers]:
        """The stores as another program sees them."""
        config = load(self.bridges[0].config)
        tiers = await asyncio.to_thread(tiers_of, config.tiers, config.store_path)
        try:
            await self.until(lambda: _true(tiers.open()), "all stores answer")
            yield tiers
        finally:
            await tiers.close()

    async def _archived(self, tiers: Tiers) -> bool:
        now = time.time_ns() // 1_000_000
        return not await tiers.warm.hours_before(now - 30 * DAY_MS, 1)

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        """Return when it holds; fails when it never does, or a process ended by itself."""
        processes = (*self.bridges, *self.movers)
        why = ""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    for process in processes:
                        assert not process.died, f"ended by itself: {_end_of(process)}"
                    try:
                        if await condition():
                            return
                        why = ""
                    except (TierUnavailableError, StoreError, TimeoutError) as err:
                        # Just started again, or slow.
                        why = f" ({str(err) or type(err).__name__})"
                    await asyncio.sleep(0.1)
        except TimeoutError:
            logs = "\n".join(map(_end_of, processes))
            raise AssertionError(f"never happened: {what}{why}\n{logs}") from None


def _end_of(process: Process) -> str:
    return f"{process.folder}\n{process.log()[-3000:]}"


async def read_without_pause(
    brewery: Brewery, floor: set[Sample], done: asyncio.Event, whole: list[str]
) -> None:
    """Read all of `floor` again and again until `done`: each answer has all of it, nothing twice.

    What a store could not give must be told; `whole` gets the series of each answer that was.
    """
    by_series: dict[str, set[Sample]] = {}
    for row in floor:
        by_series.setdefault(row.series, set()).add(row)
    async with brewery.tiers() as tiers:
        reader = Reader(*tiers)
        while not done.is_set():
            for name, wanted in by_series.items():
                page = await reader.samples(name, 0, FAR, 10_000)
                assert len({row.t for row in page.samples}) == len(page.samples)
                if not page.partial:
                    assert wanted <= set(page.samples), "an answer lacks what was stored"
                    whole.append(name)
                start, end = min(r.t for r in wanted), max(r.t for r in wanted) + 1
                chart = await reader.history([name], start, end, POINTS)
                if not chart["partial"]:
                    width = chart["bucket_ms"]
                    drawn = {point[0] for point in chart["series"][name] if point[1] is not None}
                    assert {
                        r.t - r.t % width for r in wanted if is_number(r.value, r.quality)
                    } <= drawn


async def _check_chart(reader: Reader, truth: Iterable[Sample]) -> None:
    """Every bucket of a chart over all has exactly the extremes and the mean of its samples."""
    by_series: dict[str, list[Sample]] = {}
    for row in truth:
        by_series.setdefault(row.series, []).append(row)
    for name, rows in by_series.items():
        start, end = min(row.t for row in rows), max(row.t for row in rows) + 1
        chart = await reader.history([name], hour_of(start), end, POINTS)
        if chart["partial"]:
            raise TierUnavailableError(f"a chart is partial: {chart['partial']}")
        width = chart["bucket_ms"]
        groups: dict[int, list[float]] = {}
        for row in rows:
            if is_number(row.value, row.quality) and row.value is not None:
                groups.setdefault(row.t - row.t % width, []).append(row.value)
        drawn = [point for point in chart["series"][name] if point[1] is not None]
        assert [point[0] for point in drawn] == sorted(groups)
        for t, low, high, mean in drawn:
            numbers = groups[int(t or 0)]
            assert (low, high) == (min(numbers), max(numbers))
            assert mean is not None
            assert abs(mean - sum(numbers) / len(numbers)) < 1e-9, "a sample counts twice"


async def _rows(
    read: Callable[[str, int, int], Awaitable[list[Sample]]], names: Iterable[str]
) -> list[Sample]:
    return [row for name in names for row in await read(name, 0, FAR)]


async def _true(work: Awaitable[None]) -> bool:
    await work
    return True


def hours(count: float) -> int:
    """So many hours at 1 Hz, in samples of one node."""
    return int(count * 3600) * CHANNELS
