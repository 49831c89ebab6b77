"""Moving loses nothing: stopped anywhere, with late data, two movers, a reader running."""

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from storage_bridge.codec import encode
from storage_bridge.model import HOUR_MS, MINUTE_MS, Sample
from storage_bridge.mover import Mover, PassResult
from storage_bridge.reader import Reader
from storage_bridge.tiers import embedded
from storage_bridge.tiers.base import ColdTier, Conflict, TierUnavailableError, WarmTier
from storage_bridge.tiers.sqlite_cold import SqliteCold
from tests.storage_bridge.bad_colds import FailingCold, ForgetfulCold, MuteCold
from tests.storage_bridge.generated import HOUR, SERIES, damaged, probe_hour
from tests.storage_bridge.mover_driver import (
    HOURS,
    LATE,
    NOW,
    OTHER,
    SETTLE,
    Brewery,
    Killed,
    history_rows,
    spawn,
)


@pytest.fixture
async def brewery(tmp_path: Path) -> AsyncIterator[Brewery]:
    path = tmp_path / "store.db"
    tiers = embedded(path)
    await tiers.open()
    yield Brewery(tiers, path)
    await tiers.close()


async def test_a_move_takes_two_passes_and_a_settle_time(brewery: Brewery) -> None:
    await brewery.feed(history_rows())
    mover = brewery.mover()
    first = await mover.run_pass(NOW)
    assert first == PassResult(4, 0, 4, 0, (), more=False)
    brewery.clock += SETTLE - 1
    assert await mover.run_pass(NOW) == PassResult(0, 0, 4, 0, (), more=False)
    brewery.clock += 1
    assert await mover.run_pass(NOW) == PassResult(0, len(brewery.truth), 0, 0, (), more=False)
    assert await brewery.tiers.warm.count() == 0
    assert await mover.run_pass(NOW) == PassResult(0, 0, 0, 0, (), more=False)
    await brewery.check()


async def test_only_hours_older_than_asked_are_moved(brewery: Brewery) -> None:
    await brewery.feed(history_rows())
    warm, cold = brewery.tiers.warm, brewery.tiers.cold
    mover = Mover(warm, cold, keep_ms=2 * HOUR_MS, settle_s=0)
    for _ in range(2):
        await mover.run_pass(NOW)
    assert await warm.span(SERIES) == (HOUR + HOUR_MS, NOW - 60_000)
    assert await warm.span(OTHER) is None
    assert (await mover.run_pass(0)).waiting == 0


async def test_the_answer_is_whole_at_every_step(brewery: Brewery) -> None:
    async def look(_: int) -> None:
        await brewery.check()

    await brewery.feed(history_rows())
    brewery.on_step = look
    await brewery.run(brewery.mover())
    assert brewery.steps > 40


@pytest.mark.parametrize("late", [False, True])
async def test_killed_at_any_step_nothing_is_lost(tmp_path: Path, late: bool) -> None:
    kill_at = 0
    done = False
    while not done:
        kill_at += 1
        path = tmp_path / f"{kill_at}.db"
        tiers = embedded(path)
        await tiers.open()
        brewery = Brewery(tiers, path)

        async def die(step: int, kill_at: int = kill_at) -> None:
            if step == kill_at:
                raise Killed

        try:
            await brewery.feed(history_rows()[:70])
            brewery.on_step = die
            try:
                await brewery.run(brewery.mover())
                done = True
            except Killed:
                await brewery.check()
            if late:
                # The other bridge had been away: it replays all it had, and more.
                await brewery.feed(history_rows()[:70])
                await brewery.feed(LATE[:2])
            brewery.on_step = None
            await brewery.run(brewery.mover())
            await brewery.check()
            assert await tiers.warm.count() == 0
        finally:
            await tiers.close()
    assert kill_at > 20


async def test_late_data_at_any_step_is_moved_too(tmp_path: Path) -> None:
    at = 0
    steps = 1
    while at < steps:
        at += 1
        path = tmp_path / f"{at}.db"
        tiers = embedded(path)
        await tiers.open()
        brewery = Brewery(tiers, path)

        async def late(step: int, at: int = at, brewery: Brewery = brewery) -> None:
            if step == at:
                await brewery.feed(LATE[:1])
                await brewery.check()

        try:
            await brewery.feed(history_rows()[:50])
            brewery.on_step = late
            await brewery.run(brewery.mover())
            steps = brewery.steps
            await brewery.check()
        finally:
            await tiers.close()
    assert at > 10


async def test_late_data_makes_a_chunk_of_its_own(brewery: Brewery) -> None:
    await brewery.feed(history_rows())
    await brewery.run(brewery.mover())
    await brewery.feed(LATE)
    await brewery.feed(history_rows())  # and a replay of what is long moved
    await brewery.run(brewery.mover())
    heads = await brewery.tiers.cold.heads(SERIES, HOUR, HOUR + HOUR_MS)
    assert sorted(head.rows for head in heads) == [1, 60]
    await brewery.check()


@pytest.mark.parametrize("seed", range(3))
async def test_two_movers_a_feeder_and_a_reader_at_once(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    path = tmp_path / "store.db"
    clients = [embedded(path) for _ in range(4)]
    for client in clients:
        await client.open()
    breweries = [Brewery(client, path) for client in clients]
    feeder = breweries[0]
    known: set[Sample] = set()
    running = True

    async def dawdle(_: int) -> None:
        await asyncio.sleep(dice.random() * 0.004)

    async def move(brewery: Brewery) -> None:
        brewery.on_step = dawdle
        mover = brewery.mover()
        while running:
            await mover.run_pass(NOW)
            brewery.clock += SETTLE + 1

    async def read() -> int:
        reads = 0
        while running or not reads:
            before = set(known)
            found: list[Sample] = []
            for series in (SERIES, OTHER):
                page = await breweries[3].reader.samples(series, HOUR, NOW, 10_000)
                assert page.partial == []
                found += page.samples
            assert len(found) == len(set(found))
            assert set(found) >= before
            before = set(known)
            reply = await breweries[3].reader.history([SERIES], HOUR, NOW, HOURS * 60)
            drawn = {t for t, low, _, _ in reply["series"][SERIES] if low is not None}
            assert drawn >= {row.t - row.t % MINUTE_MS for row in before if row.series == SERIES}
            reads += 1
        return reads

    movers = [asyncio.create_task(move(brewery)) for brewery in breweries[1:3]]
    reading = asyncio.create_task(read())
    rows = [s for i in range(HOURS) for s in probe_hour(HOUR + i * HOUR_MS, i, step_ms=10_000)]
    rows += LATE + probe_hour(HOUR, 9, series=OTHER, step_ms=300_000)
    dice.shuffle(rows)
    try:
        for at in range(0, len(rows), 23):
            await feeder.feed(rows[at : at + 23])
            await feeder.feed(dice.choices(rows[: at + 23], k=5))  # replays
            known |= set(rows[: at + 23])
            await asyncio.sleep(0.005)
        running = False
        await asyncio.gather(*movers)
        assert await reading > 1
        await feeder.run(feeder.mover())
        await feeder.check()
    finally:
        running = False
        for task in (*movers, reading):
            task.cancel()
        await asyncio.gather(*movers, reading, return_exceptions=True)
        for client in clients:
            await client.close()


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("points", [None, HOURS * 60, HOURS + 1])
async def test_an_answer_is_whole_when_all_is_moved_in_the_midst_of_it(
    brewery: Brewery, points: int | None, at: int
) -> None:
    await brewery.feed(history_rows()[:120])
    reader = Reader(brewery.tiers.hot, *brewery.stepped())
    before = await brewery.reader.history([SERIES], HOUR, NOW, points or 1)

    async def move(step: int) -> None:
        if step == at:
            await brewery.run(brewery.mover())

    brewery.on_step = move
    if points is None:
        page = await reader.samples(SERIES, HOUR, NOW, 10_000)
        assert set(page.samples) == brewery.truth
    else:
        assert await reader.history([SERIES], HOUR, NOW, points) == before
    assert await brewery.tiers.warm.count() == 0


async def test_what_changed_since_it_was_compared_waits_again(brewery: Brewery) -> None:
    await brewery.feed(history_rows()[:60])
    mover = brewery.mover()
    await mover.run_pass(NOW)
    await brewery.feed(LATE[:1])
    await brewery.tiers.cold.write_chunk(encode(LATE[:1]))  # by the other bridge, just now
    brewery.clock += SETTLE + 1
    assert await mover.run_pass(NOW) == PassResult(0, 0, 1, 0, (), more=False)
    brewery.clock += SETTLE + 1
    assert (await mover.run_pass(NOW)).deleted == 61


async def test_a_row_that_cold_forgot_after_its_yes_is_written_again(brewery: Brewery) -> None:
    await brewery.feed(history_rows())
    mover = brewery.mover()
    await mover.run_pass(NOW)
    with closing(sqlite3.connect(brewery.path)) as connection:  # the archive lost its last seconds
        connection.execute("DELETE FROM chunk")
        connection.commit()
    brewery.clock += SETTLE + 1
    result = await mover.run_pass(NOW)
    assert (result.copied, result.deleted, result.waiting) == (4, 0, 4)
    await brewery.check()
    await brewery.run(mover)
    await brewery.check()


async def test_a_damaged_chunk_is_replaced_while_warm_still_has_its_samples(
    brewery: Brewery,
) -> None:
    rows = history_rows()[:60]
    await brewery.feed(rows)
    await brewery.tiers.cold.write_chunk(damaged(encode(rows)))
    mover = brewery.mover()
    result = await mover.run_pass(NOW)
    assert "damaged" in result.failed[0]
    assert (result.copied, result.deleted) == (1, 0)
    await brewery.run(mover)
    await brewery.check()


async def test_another_content_in_cold_is_kept_as_a_conflict_and_moving_goes_on(
    brewery: Brewery,
) -> None:
    rows = history_rows()[:60]
    archived = [rows[0]._replace(value=99.0), *rows[1:]]
    await brewery.tiers.cold.write_chunk(encode(archived))
    await brewery.tiers.warm.write(rows)
    mover = brewery.mover()
    assert (await mover.run_pass(NOW)).conflicts == 1
    await brewery.run(mover)
    brewery.truth = set(archived)
    await brewery.check()
    assert await brewery.tiers.warm.conflicts(9) == [Conflict(archived[0], rows[0])]


@pytest.mark.parametrize("kind", [ForgetfulCold, FailingCold])
async def test_nothing_is_deleted_on_the_word_of_a_store(
    brewery: Brewery, kind: type[SqliteCold]
) -> None:
    await brewery.feed(history_rows())
    cold: ColdTier = kind(brewery.tiers.cold._store)  # type: ignore[attr-defined]
    warm: WarmTier = brewery.tiers.warm
    mover = Mover(warm, cold, keep_ms=0, settle_s=0)
    for turn in range(2):
        if kind is FailingCold and turn == 0:
            with pytest.raises(TierUnavailableError):
                await mover.run_pass(NOW)
        elif kind is FailingCold:
            result = await mover.run_pass(NOW)
            assert (result.failed, result.waiting) == ((), 4), "what was stored is only noted yet"
        else:
            result = await mover.run_pass(NOW)
            assert len(result.failed) == 4
            assert "did not give back" in result.failed[0]
            assert result.deleted == 0
    assert await warm.count() == len(brewery.truth)
    await brewery.check()
    await brewery.run(brewery.mover())
    await brewery.check()


async def test_an_hour_that_a_store_never_answers_for_holds_up_no_other(brewery: Brewery) -> None:
    await brewery.feed(history_rows())
    hours = await brewery.tiers.warm.hours_before(NOW, 100)
    cold = MuteCold(brewery.tiers.cold._store)  # type: ignore[attr-defined]
    cold.mute = min(hour.hour for hour in hours)
    mute = [hour for hour in hours if hour.hour == cold.mute]
    mover = Mover(brewery.tiers.warm, cold, keep_ms=0, settle_s=0)
    for _ in range(3):
        result = await mover.run_pass(NOW)
        assert result.failed == ("The cold store did not answer.",) * len(mute)
        if await brewery.tiers.warm.hours_before(NOW, 100) == mute:
            break
    assert await brewery.tiers.warm.hours_before(NOW, 100) == mute
    with pytest.raises(TierUnavailableError):
        await mover.run_pass(NOW)  # nothing else is due: as far as it can see, cold is away
    await brewery.check()


async def test_a_long_backlog_is_taken_in_parts(brewery: Brewery) -> None:
    await brewery.feed(history_rows())
    warm, cold = brewery.tiers.warm, brewery.tiers.cold
    mover = Mover(warm, cold, keep_ms=0, settle_s=0, hours_per_pass=2)
    passes = [await mover.run_pass(NOW) for _ in range(4)]
    assert [result.copied for result in passes] == [2, 2, 0, 0]
    assert [result.more for result in passes] == [True, True, False, False]
    assert await warm.count() == 0
    await brewery.check()


async def test_a_mover_process_killed_anywhere_loses_nothing(brewery: Brewery) -> None:
    await brewery.feed(history_rows())
    dice = random.Random(5)
    moved = 0
    for round_ in range(40):
        child = spawn(brewery.path)
        try:
            assert child.stdout is not None
            assert await asyncio.to_thread(child.stdout.readline) == b"ready\n"
            # The longer the more rounds have passed in which a slow machine has moved nothing.
            await asyncio.sleep(dice.random() * 0.03 * 1.25**round_)
        finally:
            child.kill()
            child.wait(30)
            if child.stdout is not None:
                child.stdout.close()
        await brewery.check()
        moved += len(brewery.truth) - await brewery.tiers.warm.count()
        if moved and round_ >= 7:
            break
        await brewery.feed(history_rows())
        await brewery.feed([late._replace(t=late.t + 10 * round_) for late in LATE])
    assert moved > 0
    await brewery.run(brewery.mover())
    await brewery.check()
