"""A Redis that loses what it acknowledged, under load, ends with everything all the same."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis

from storage_bridge.backoff import Backoff
from storage_bridge.feeder import Feeder, HotSink, WarmSink
from storage_bridge.filler import Filler
from storage_bridge.model import Sample
from storage_bridge.reader import Reader
from storage_bridge.stored import all_series, pages, span_of
from storage_bridge.tiers import Tiers, embedded
from storage_bridge.tiers.base import TierError, TierUnavailableError, Written
from storage_bridge.tiers.redis_hot import RedisHot
from storage_bridge.tiers.redis_settings import DAY_MS, RedisSettings

from .events import batch
from .servers.redis import RedisServer, SentinelGroup, wait_for
from .waiting import answered, until

if TYPE_CHECKING:
    from storage_bridge.outbox import Outbox

    from .conftest import OpenOutbox

QUICK = Backoff(base=0.05, cap=0.5)
T0 = time.time_ns() // 1_000_000 - 3_600_000
PER_BATCH = 20


class _Loaded:
    """A bridge's inner parts, fed with some 400 samples a second."""

    def __init__(self, tiers: Tiers, outbox: Outbox) -> None:
        self.tiers = tiers
        self.hot = Feeder(HotSink(tiers.hot), outbox, retry=QUICK, holding=True)
        self.warm = Feeder(WarmSink(tiers.warm), outbox, retry=QUICK)
        self.filler = Filler(tiers.hot, tiers.warm, self.hot, keep_ms=3 * DAY_MS, retry=QUICK)
        self.acknowledged: list[Sample] = []
        self._outbox = outbox
        self._seq = 0

    async def load(self) -> None:
        """Acknowledge batches until cancelled."""
        while True:
            parsed, blob = batch(self._seq + 1, self._seq + PER_BATCH, t0=T0)
            await self._outbox.append(parsed, blob, live=False)
            self._seq += PER_BATCH
            self.acknowledged += parsed.samples
            await asyncio.sleep(0.05)

    async def more(self, count: int) -> None:
        """Return when so many more samples have been acknowledged."""
        goal = len(self.acknowledged) + count
        await until(lambda: len(self.acknowledged) >= goal, "the load goes on")

    async def held(self) -> set[Sample]:
        """What hot holds."""
        hot = self.tiers.hot
        return {row for name in await hot.series() for row in await hot.read(name, 0, 1 << 50)}

    async def union(self) -> list[Sample]:
        """What all tiers together answer with, in the order of keys."""
        return [
            row
            for name in await all_series(self.tiers)
            async for page in pages(Reader(*self.tiers), name, *await span_of(self.tiers, name))
            for row in page
        ]

    async def settled(self) -> None:
        """Return when hot says that it is whole, and nothing waits for it."""
        async with asyncio.timeout(60):
            while not await self._whole():
                await asyncio.sleep(0.1)

    async def _whole(self) -> bool:
        try:
            whole = (await self.tiers.hot.standing()).content == "whole"
        except TierError:
            return False
        return whole and self.hot.idle and self.warm.idle and not self.filler.status()["filling"]


@asynccontextmanager
async def _loaded(url: str, folder: Path, outbox: Outbox) -> AsyncIterator[_Loaded]:
    hot = RedisHot(RedisSettings(url=url))
    tiers = embedded(folder / "store.db")._replace(hot=hot)
    await tiers.open()
    bridge = _Loaded(tiers, outbox)
    works = (bridge.hot.run(), bridge.warm.run(), bridge.filler.run(0.2), bridge.load())
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await bridge.more(200)
        await until(lambda: bridge.filler.fills > 0, "the new store counts as filled")
        yield bridge
        tasks.pop().cancel()
        await bridge.settled()
        assert await bridge.held() == set(bridge.acknowledged)
        assert await bridge.union() == sorted(bridge.acknowledged), "no gap, no duplicate"
        newest = await hot.newest()
        assert {last.seq for last in newest.values()} == {bridge._seq - 1, bridge._seq}
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await tiers.close()


@pytest.mark.slow
async def test_a_failover_loses_nothing_that_was_acknowledged(
    tmp_path: Path, open_outbox: OpenOutbox
) -> None:
    group = SentinelGroup(tmp_path / "redis", replicas=2)
    try:
        await asyncio.to_thread(group.start)
        async with _loaded(group.url, tmp_path, open_outbox()) as bridge:
            master = group.master()
            with master.client() as client:
                # From now on the replicas fall behind: the master alone has what it acknowledges.
                client.acl_setuser("default", enabled=True, commands=["-psync", "-sync"])
                client.client_kill_filter(_type="replica")
                ahead = len(bridge.acknowledged)
                await bridge.more(600)
                await until(lambda: bridge.hot.written >= ahead + 400, "only the master has those")
            master.kill()
            await until(lambda: bridge.hot.problem is not None, "it is missed")
            await until(lambda: bridge.hot.problem is None, "the next one takes samples")
            await until(lambda: group.master() is not master, "most call another one master")
            await until(lambda: bridge.hot.status()["rewinds"] > 1, "the change is seen")
            await bridge.more(200)
            master.start()
            await bridge.more(200)
    finally:
        group.stop()


@pytest.mark.slow
async def test_a_failover_in_the_middle_of_a_fill_leaves_nothing_out(
    tmp_path: Path, open_outbox: OpenOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The promoted server lacks samples that are long out of the outbox; the fill meets no error.

    Until hot has them, answers have them from warm, or say that they are partial.
    """
    names = [f"mash-b/t{n}" for n in range(3)]
    old = [Sample(name, T0 - DAY_MS + n, 1.0, "ok", None) for name in names for n in range(300)]
    reached, go_on = {name: asyncio.Event() for name in names}, asyncio.Event()
    group = SentinelGroup(tmp_path / "redis", replicas=1)
    hot = RedisHot(RedisSettings(url=group.url))
    tiers = embedded(tmp_path / "store.db")._replace(hot=hot)
    read = tiers.warm.read

    async def watched(series: str, start: int, end: int, limit: int | None = None) -> list[Sample]:
        reached[series].set()
        if series == names[2]:
            await go_on.wait()
        return await read(series, start, end, limit)

    feeder = Feeder(HotSink(hot), open_outbox(), retry=QUICK, holding=True)
    filler = Filler(hot, tiers.warm, feeder, keep_ms=3 * DAY_MS, retry=QUICK)
    try:
        await asyncio.to_thread(group.start)
        await tiers.open()
        await tiers.warm.write(old)
        master = group.master()
        with monkeypatch.context() as patch, master.client() as client:
            patch.setattr(tiers.warm, "read", watched)
            patch.setattr(hot, "write", _behind(hot, client))
            await filler.check()
            await until(lambda: reached[names[2]].is_set() or not _fills(filler), "half is copied")
            assert await hot.series() == names[:2]
            master.kill()
            await asyncio.to_thread(wait_for, lambda: group.master() is not master, "a new master")
            await answered(hot.standing)
            go_on.set()
            await until(lambda: not _fills(filler), "it comes to its end, as if nothing had been")
        assert await hot.series() == names[2:], "only the last is there"
        page = await Reader(*tiers).samples(names[0], 0, T0)
        assert (page.samples, page.partial) == (old[:300], [])
        with monkeypatch.context() as patch:
            patch.setattr(tiers.warm, "read", _away)
            page = await Reader(*tiers).samples(names[0], 0, T0)
        assert [lack["tier"] for lack in page.partial] == ["warm"]
        async with asyncio.timeout(60):
            while (await hot.standing()).content != "whole":
                await filler.check()
                await asyncio.sleep(0.1)
        held = [row for name in await hot.series() for row in await hot.read(name, 0, T0)]
        assert held == old
    finally:
        await tiers.close()
        group.stop()


def _fills(filler: Filler) -> bool:
    return bool(filler.status()["filling"])


def _behind(hot: RedisHot, client: redis.Redis) -> Callable[[Sequence[Sample]], Awaitable[Written]]:
    """Before the first write the replicas have everything; from then on the master is alone."""
    write, alone = hot.write, False

    async def writes(samples: Sequence[Sample]) -> Written:
        nonlocal alone
        if not alone:
            client.set("smart_beer_test_mark", "x")
            await asyncio.to_thread(wait_for, lambda: client.wait(1, 1000) == 1, "replication")
            client.acl_setuser("default", enabled=True, commands=["-psync", "-sync"])
            client.client_kill_filter(_type="replica")
            alone = True
        return await write(samples)

    return writes


async def _away(*_: object) -> list[Sample]:
    raise TierUnavailableError("warm is away")


@pytest.mark.parametrize("how", ["flushed", "restarted empty"])
async def test_a_redis_that_lost_everything_is_filled_again(
    how: str, tmp_path: Path, open_outbox: OpenOutbox
) -> None:
    server = RedisServer(tmp_path / "redis")
    server.start()
    try:
        async with _loaded(server.url, tmp_path, open_outbox()) as bridge:
            if how == "flushed":
                with server.client() as client:
                    client.flushall()
            else:
                server.kill()
                await bridge.more(100)
                server.start()
            await until(lambda: bridge.filler.fills > 1, "it is filled again")
            await bridge.more(100)
    finally:
        server.stop()
