"""How fast a mover goes, what it tells, and when it waits for another one."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import override

import pytest

from storage_bridge.codec import Chunk
from storage_bridge.model import HOUR_MS, Sample
from storage_bridge.mover import Moved, Mover, PassResult
from storage_bridge.tiers import embedded
from storage_bridge.tiers.base import TierRejectedError
from storage_bridge.tiers.sqlite_cold import SqliteCold
from tests.storage_bridge.generated import HOUR, SERIES
from tests.storage_bridge.mover_driver import NOW, SETTLE, Brewery, history_rows


@pytest.fixture
async def brewery(tmp_path: Path) -> AsyncIterator[Brewery]:
    path = tmp_path / "store.db"
    tiers = embedded(path)
    await tiers.open()
    yield Brewery(tiers, path)
    await tiers.close()


class MarkedCold(SqliteCold):
    """Knows how often it was written."""

    writes = 0

    @override
    async def write_chunk(self, chunk: Chunk) -> None:
        await super().write_chunk(chunk)
        self.writes += 1

    @override
    async def mark(self, series: str, hour: int) -> bytes:
        return bytes([self.writes])


async def test_the_pace_is_kept_and_every_hour_is_told(brewery: Brewery) -> None:
    await brewery.feed(history_rows())
    told: list[Moved] = []

    async def sleep(seconds: float) -> None:
        brewery.clock += seconds

    mover = Mover(
        brewery.tiers.warm,
        brewery.tiers.cold,
        keep_ms=0,
        hours_per_minute=6,
        at_once=1,
        clock=lambda: brewery.clock,
        sleep=sleep,
        progress=told.append,
    )
    await mover.run_pass(NOW)
    assert brewery.clock == 30, "the first at once, three more each after ten seconds"
    assert [(moved.done, moved.due) for moved in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    await mover.run_pass(NOW)
    assert mover.moved == told[-1]._replace(done=0, due=0), "nothing has settled"
    brewery.clock += SETTLE
    await mover.run_pass(NOW)
    assert mover.moved == Moved(4, len(brewery.truth), 0, 0, 4, 4)
    await brewery.check()


async def test_what_another_mover_wrote_again_settles_once_more(brewery: Brewery) -> None:
    """It had found the archive to have forgotten it, so it may forget it again."""
    await brewery.feed(history_rows()[:60])
    cold = MarkedCold(brewery.tiers.cold._store)  # type: ignore[attr-defined]
    mover = Mover(brewery.tiers.warm, cold, keep_ms=0, settle_s=SETTLE, clock=lambda: brewery.clock)
    await mover.run_pass(NOW)
    (chunk,) = await cold.chunks(SERIES, HOUR, HOUR + HOUR_MS)
    await cold.write_chunk(chunk)
    brewery.clock += SETTLE + 1
    assert await mover.run_pass(NOW) == PassResult(0, 0, 1, 0, (), more=False)
    brewery.clock += SETTLE + 1
    assert (await mover.run_pass(NOW)).deleted == 60


class PickyCold(SqliteCold):
    """Refuses hours before a certain one."""

    refused_before = 0

    @override
    async def write_chunk(self, chunk: Chunk) -> None:
        if chunk.head.hour < self.refused_before:
            raise TierRejectedError(f"The hour {chunk.head.hour} is refused.")
        await super().write_chunk(chunk)


async def test_hours_that_always_fail_do_not_keep_younger_ones_from_the_archive(
    brewery: Brewery,
) -> None:
    rows = [Sample(SERIES, HOUR + hour * HOUR_MS, 20.0 + hour, "ok", None) for hour in range(9)]
    await brewery.feed(rows)
    cold = PickyCold(brewery.tiers.cold._store)  # type: ignore[attr-defined]
    cold.refused_before = HOUR + 5 * HOUR_MS
    now = HOUR + 9 * HOUR_MS
    mover = Mover(brewery.tiers.warm, cold, keep_ms=0, settle_s=0, hours_per_pass=2)
    results = [await mover.run_pass(now)]
    while results[-1].more or results[-1].waiting:
        results.append(await mover.run_pass(now))
    assert mover.moved.deleted == 4, "all that can be"
    assert {len(result.failed) for result in results} >= {2, 4, 5}, "and the others are tried again"
    assert await brewery.tiers.warm.count() == 5
    cold.refused_before = 0
    for _ in range(2 * 5):
        await mover.run_pass(now)
    assert await brewery.tiers.warm.count() == 0, "what can be stored at last is moved"


async def test_hours_that_only_wait_keep_no_other_from_being_copied(brewery: Brewery) -> None:
    """Else 300 hours a minute, each looked at twice, would not keep up with 9,000 series."""
    await brewery.feed(history_rows())
    mover = Mover(
        brewery.tiers.warm,
        brewery.tiers.cold,
        keep_ms=0,
        settle_s=SETTLE,
        hours_per_pass=2,
        clock=lambda: brewery.clock,
    )
    first, second, third = [await mover.run_pass(NOW) for _ in range(3)]
    assert (first.copied, first.more) == (2, True)
    assert (second.copied, second.waiting, second.more) == (2, 4, True)
    assert third == PassResult(0, 0, 4, 0, (), more=False), "each has to settle nevertheless"
    await brewery.check()
    brewery.clock += SETTLE
    assert (await mover.run_pass(NOW)).deleted == len(brewery.truth), "none settles once more"
    await brewery.check()
