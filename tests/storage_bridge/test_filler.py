"""Hot is filled when it was lost, and fed again what a change of holder may have lost."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from storage_bridge.backoff import Backoff
from storage_bridge.feeder import Feeder, HotSink, WarmSink
from storage_bridge.filler import Filler
from storage_bridge.model import HOUR_MS, Last, Sample
from storage_bridge.tiers import Tiers, embedded
from storage_bridge.tiers.base import Standing, TierUnavailableError, Written

from .events import batch
from .forgetful import Forgetful
from .waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from storage_bridge.outbox import Outbox

    from .conftest import OpenOutbox

QUICK = Backoff(base=0.01, cap=0.02)
DAYS_MS = 3 * 86_400_000


class _Bridge:
    """Outbox, feeders and filler, as the bridge joins them, with clocks of the test's."""

    def __init__(self, folder: Path, outbox: Outbox) -> None:
        self.hot = Forgetful(folder / "hot.db")
        self.tiers: Tiers = embedded(folder / "store.db")._replace(hot=self.hot)
        self.outbox = outbox
        self.monotonic = 1000.0
        self.clock = NOW
        self.hot_feeder = Feeder(
            HotSink(self.hot), outbox, retry=QUICK, holding=True, now=lambda: self.monotonic
        )
        self.warm_feeder = Feeder(WarmSink(self.tiers.warm), outbox, retry=QUICK)
        self.filler = Filler(
            self.hot,
            self.tiers.warm,
            self.hot_feeder,
            keep_ms=DAYS_MS,
            retry=QUICK,
            clock=lambda: self.clock,
            now=lambda: self.monotonic,
        )
        self.sent: list[Sample] = []

    async def send(self, first: int, last: int) -> None:
        parsed, blob = batch(first, last, t0=NOW - 3_600_000)
        await self.outbox.append(parsed, blob, live=False)
        self.sent += parsed.samples

    async def fed(self, *, warm: bool = True) -> None:
        await until(lambda: self.hot_feeder.idle, "hot is fed")
        if warm:
            await until(lambda: self.warm_feeder.idle, "warm is fed")

    async def filled(self) -> None:
        """Check until nothing is left to do."""
        for _ in range(2000):
            await self.filler.check()
            standing = await self.hot.standing()
            if standing.content == "whole" and not self.filler.status()["filling"]:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("never filled")

    async def held(self) -> list[Sample]:
        """What hot holds."""
        names = await self.hot.series()
        return [row for name in names for row in await self.hot.read(name, 0, 1 << 50)]


NOW = time.time_ns() // 1_000_000


@asynccontextmanager
async def _running(bridge: _Bridge, *, warm: bool = True) -> AsyncIterator[_Bridge]:
    await bridge.tiers.open()
    feeders = [bridge.hot_feeder, *([bridge.warm_feeder] if warm else [])]
    tasks = [asyncio.create_task(feeder.run()) for feeder in feeders]
    try:
        yield bridge
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await bridge.tiers.close()


@pytest.fixture
async def bridge(tmp_path: Path, open_outbox: OpenOutbox) -> _Bridge:
    return _Bridge(tmp_path, open_outbox())


async def test_a_new_hot_tier_is_filled_from_warm(bridge: _Bridge) -> None:
    old = [Sample("mash-a/t0", NOW - 7_200_000 + n, 1.0, "ok", None) for n in range(50)]
    async with _running(bridge):
        await bridge.tiers.warm.write(old)
        await bridge.filled()
        assert await bridge.held() == old
        assert bridge.filler.fills == 1
        assert bridge.filler.status() == {"filling": False, "fills": 1, "problem": None}


async def test_the_outbox_keeps_what_hot_may_still_lose(bridge: _Bridge) -> None:
    async with _running(bridge):
        await bridge.filled()
        await bridge.send(1, 100)
        await bridge.fed()
        await bridge.filler.check()
        assert bridge.outbox.status()["cursors"]["hot"] == 0
        bridge.monotonic += 59
        await bridge.filler.check()
        assert bridge.outbox.status()["cursors"]["hot"] == 0
        bridge.monotonic += 2
        await bridge.filler.check()
        assert bridge.outbox.status()["cursors"]["hot"] == 1
        await until(lambda: bridge.outbox.status()["rows"] == 0, "then it lets go")


async def test_what_a_new_holder_lacks_is_written_again(bridge: _Bridge) -> None:
    async with _running(bridge):
        await bridge.filled()
        await bridge.send(1, 100)
        await bridge.fed()
        bridge.monotonic += 3600  # nobody could be asked for an hour: nothing has settled
        await bridge.hot.lose(since=bridge.sent[40].t)
        bridge.hot.holder = "b"
        await bridge.filler.check()
        await bridge.filled()
        await bridge.fed()
        assert set(await bridge.held()) == set(bridge.sent)
        assert bridge.hot_feeder.status()["rewinds"] == 2, "the first was for the new store"


async def test_what_a_full_outbox_let_pass_comes_from_warm(
    tmp_path: Path, open_outbox: OpenOutbox
) -> None:
    """Hot stays the same and keeps what it had: only the outbox knows that it lacks something."""
    bridge = _Bridge(tmp_path, open_outbox(max_bytes=1 << 18))
    async with _running(bridge):
        await bridge.filled()
        await bridge.hot.close()  # away
        last = 0
        while bridge.outbox.passed("hot") is None:
            assert last < 2_000_000, "nothing ever passes"
            await bridge.send(last + 1, last + 1000)
            last += 1000
        await until(lambda: bridge.warm_feeder.idle, "warm has it")
        assert bridge.filler.fills == 1
        await bridge.hot.open()
        await bridge.fed()
        await bridge.filler.check()
        await until(lambda: bridge.filler.fills == 2, "it is filled once more")
        await bridge.fed()
        assert set(await bridge.held()) == set(bridge.sent)
        assert bridge.outbox.passed("hot") is None
        for _ in range(3):
            await bridge.filler.check()
        assert not bridge.filler.status()["filling"]
        assert bridge.filler.fills == 2, "no more than once"


async def test_everything_lost_comes_back_from_warm_and_outbox(bridge: _Bridge) -> None:
    """Warm holds the first part only, the outbox the rest, although hot had all and let go."""
    async with _running(bridge, warm=False):
        await bridge.filled()
        await bridge.send(1, 100)
        warm = asyncio.create_task(bridge.warm_feeder.run())
        await bridge.fed()
        warm.cancel()
        await asyncio.gather(warm, return_exceptions=True)
        await bridge.send(101, 200)
        await bridge.fed(warm=False)
        bridge.monotonic += 61
        await bridge.filler.check()
        assert bridge.outbox.status()["cursors"]["hot"] == 2
        await bridge.hot.lose()
        await bridge.filled()
        await bridge.fed(warm=False)
        assert set(await bridge.held()) == set(bridge.sent)


async def test_what_is_lost_during_a_fill_is_filled_again(bridge: _Bridge) -> None:
    losses = iter([True])

    def lose_once() -> None:
        if next(losses, False):
            bridge.hot.filled = None
            bridge.hot.tokens = set()

    async with _running(bridge):
        await bridge.send(1, 100)
        await bridge.fed()
        bridge.hot.before_end = lose_once
        await bridge.filled()
        assert bridge.filler.fills == 1
        assert bridge.hot_feeder.status()["rewinds"] == 2


async def test_a_fill_begins_again_when_the_holder_changes_in_its_middle(
    bridge: _Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new holder lacks what was copied a moment ago, in whichever days that lies."""
    two = [f"mash-b/t{n}" for n in range(2)]
    old = [Sample(name, NOW - DAYS_MS // 2 + n, 1.0, "ok", None) for name in two for n in range(9)]
    half, read = asyncio.Event(), bridge.tiers.warm.read

    async def stops(series: str, start: int, end: int, limit: int | None = None) -> list[Sample]:
        if series == two[1] and not half.is_set():
            half.set()
            await asyncio.Event().wait()
        return await read(series, start, end, limit)

    async with _running(bridge):
        await bridge.tiers.warm.write(old)
        monkeypatch.setattr(bridge.tiers.warm, "read", stops)
        await bridge.filler.check()
        await until(half.is_set, "half of it is copied")
        assert await bridge.held() == old[:9]
        await bridge.hot.lose(since=1)
        bridge.hot.holder = "b"
        await bridge.filled()
        assert await bridge.held() == old
        assert bridge.filler.fills == 1, "what was broken off is none"


async def test_a_fill_of_a_tail_that_was_broken_off_goes_as_far_back_the_next_time(
    bridge: _Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Warm was away for longer than a tail, and hot changed hands once more."""
    row = Sample("mash-b/t", NOW - HOUR_MS, 1.0, "ok", None)
    series = bridge.tiers.warm.series

    async def away() -> list[str]:
        raise TierUnavailableError("warm is away")

    async with _running(bridge):
        await bridge.filled()
        await bridge.tiers.warm.write([row])
        monkeypatch.setattr(bridge.tiers.warm, "series", away)
        bridge.hot.holder = "b"
        await bridge.filler.check()
        await until(lambda: bridge.filler.status()["problem"] == "warm is away", "it says so")
        bridge.clock += 5 * HOUR_MS
        bridge.hot.holder = "c"
        await bridge.filler.check()
        monkeypatch.setattr(bridge.tiers.warm, "series", series)
        await bridge.filled()
        assert await bridge.held() == [row]
        bridge.hot.holder = "d"
        await bridge.hot.lose(since=row.t)
        await bridge.filled()
        assert await bridge.held() == [], "after which a tail is no more than one"


async def test_a_fill_waits_for_a_warm_tier_that_is_away(
    bridge: _Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = bridge.tiers.warm.series
    failures = iter([True] * 3)

    async def away() -> list[str]:
        if next(failures, False):
            raise TierUnavailableError("warm is away")
        return await series()

    monkeypatch.setattr(bridge.tiers.warm, "series", away)
    async with _running(bridge):
        await bridge.send(1, 100)
        await bridge.fed()
        await bridge.hot.lose()
        await bridge.filler.check()
        await until(lambda: bridge.filler.status()["problem"] == "warm is away", "it says so")
        await bridge.filled()
        assert set(await bridge.held()) == set(bridge.sent)
        assert bridge.hot_feeder.status()["rewinds"] == 1, "once, however often warm is asked"
        assert bridge.filler.status()["problem"] is None


async def test_a_fill_that_another_bridge_made_needless_is_no_problem_any_more(
    bridge: _Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> list[str]:
        raise TierUnavailableError("warm is away")

    monkeypatch.setattr(bridge.tiers.warm, "series", away)
    await bridge.filler.check()
    await until(lambda: bridge.filler.status()["problem"] == "warm is away", "it says so")
    bridge.hot.holder = "b"
    await bridge.filler.check()
    await until(lambda: not bridge.filler.status()["filling"], "it is broken off")
    bridge.hot.filled = "b"
    await bridge.filler.check()
    assert bridge.filler.whole
    assert bridge.filler.status()["problem"] is None


async def test_a_loss_in_the_middle_of_a_write_is_not_overlooked(bridge: _Bridge) -> None:
    """The feeder is writing when it is told to go back: what it then finishes does not count."""
    write, entered, go_on = bridge.hot.write, asyncio.Event(), asyncio.Event()

    async def slow(samples: Sequence[Sample]) -> Written:
        entered.set()
        await go_on.wait()
        return await write(samples)

    async with _running(bridge):
        await bridge.filled()
        await bridge.send(1, 50)
        await bridge.fed()
        bridge.hot.write = slow  # type: ignore[method-assign]
        await bridge.send(51, 100)
        await entered.wait()
        await bridge.hot.lose(since=bridge.sent[0].t)
        bridge.hot.holder = "b"
        await bridge.filler.check()
        go_on.set()
        await bridge.fed()
        await bridge.filled()
        assert set(await bridge.held()) == set(bridge.sent)


async def test_run_reports_a_store_that_does_not_answer_and_ends_cleanly(bridge: _Bridge) -> None:
    async def away() -> Standing:
        raise TierUnavailableError("hot is away")

    standing = bridge.hot.standing
    async with _running(bridge):
        bridge.hot.standing = away  # type: ignore[method-assign]
        task = asyncio.create_task(bridge.filler.run(0.01))
        await until(lambda: bridge.filler.status()["problem"] == "hot is away", "it says so")
        bridge.hot.standing = standing  # type: ignore[method-assign]
        await until(lambda: bridge.filler.fills == 1, "it is filled")
        await until(lambda: bridge.filler.status()["problem"] is None, "and well")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_restarted_bridge_feeds_again_what_had_not_settled(
    tmp_path: Path, open_outbox: OpenOutbox
) -> None:
    first = open_outbox()
    async with _running(_Bridge(tmp_path, first)) as bridge:
        await bridge.filled()
        await bridge.send(1, 100)
        await bridge.fed()
        await bridge.hot.lose(since=bridge.sent[0].t)
    await first.close()
    async with _running(_Bridge(tmp_path, open_outbox())) as again:
        await again.fed()
        assert set(await again.held()) == set(bridge.sent)


def _kept(last: Mapping[str, Last]) -> set[int | None]:
    return {newest.seq for newest in last.values()}


async def test_the_newest_samples_come_back_with_their_numbers(bridge: _Bridge) -> None:
    async with _running(bridge):
        await bridge.filled()
        await bridge.send(1, 100)
        await bridge.fed()
        await bridge.hot.lose()
        await bridge.filled()
        await bridge.fed()
        assert _kept(await bridge.hot.newest()) == {99, 100}
