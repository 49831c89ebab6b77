"""Archiving and opening, on time."""

import asyncio
from typing import TYPE_CHECKING

from storage_bridge.keeper import DAY_MS, PASS_EVERY_S, SETTLING_EVERY_S, Keeper
from storage_bridge.model import HOUR_MS, Sample
from storage_bridge.records.model import Batch
from storage_bridge.tiers import Tiers, embedded
from storage_bridge.tiers.sqlite_cold import SqliteCold
from storage_bridge.tiers.sqlite_hot import SqliteHot
from storage_bridge.tiers.sqlite_store import SqliteStore
from storage_bridge.tiers.sqlite_warm import SqliteWarm

from .waiting import until

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_790_000_000_000 // HOUR_MS * HOUR_MS


async def test_old_hours_are_archived_and_hot_forgets(tmp_path: Path) -> None:
    tiers = embedded(tmp_path / "store.db")
    clock = [NOW]
    keeper = Keeper(tiers, hot_days=3, warm_days=30, clock=lambda: clock[0])
    assert set(keeper.status()["closed"]) == {"hot", "warm", "cold"}
    await keeper.open_now()
    assert keeper.status()["closed"] == {}
    try:
        ages = (31, 10, 1)
        await tiers.warm.write(
            [Sample("a/t", NOW - age * DAY_MS + n * 1000, 1.0, "ok", None)
             for age in ages for n in range(100)]
        )  # fmt: skip
        assert await keeper.archive_once() == SETTLING_EVERY_S
        assert keeper.last_pass is not None
        assert (keeper.last_pass["copied"], keeper.last_pass["waiting"]) == (1, 1)
        assert await tiers.cold.count() == 100
        assert await tiers.warm.count() == 300, "nothing leaves before it has settled"
        assert await tiers.hot.count() == 100
        clock[0] = NOW - 20 * DAY_MS
        assert await keeper.archive_once() == PASS_EVERY_S, "nothing is due"
        batch = Batch("B001", "k", NOW, None, "B001", "", 0)
        await tiers.warm.records.put([batch])
        assert await keeper.archive_once() == SETTLING_EVERY_S
        assert keeper.last_pass["records"]["copied"] == 1
        assert await tiers.cold.records.find(Batch) == [batch], "however new it is"
    finally:
        await tiers.warm.records.close()
        await tiers.close()


def _apart(folder: Path) -> Tiers:
    """Each tier in a store of its own: one of them can be away."""
    return Tiers(
        hot=SqliteHot(SqliteStore(folder / "hot.db"), shares_rows=False),
        warm=SqliteWarm(SqliteStore(folder / "warm.db")),
        cold=SqliteCold(SqliteStore(folder / "cold.db")),
    )


async def test_cold_grows_while_hot_is_away(tmp_path: Path) -> None:
    tiers = _apart(tmp_path)
    keeper = Keeper(tiers, hot_days=3, warm_days=30, clock=lambda: NOW)
    await keeper.open_now()
    try:
        batch = Batch("B001", "k", NOW, None, "B001", "", 0)
        await tiers.warm.write([Sample("a/t", NOW - 31 * DAY_MS, 1.0, "ok", None)])
        await tiers.warm.records.open()
        await tiers.warm.records.put([batch])
        await tiers.hot.close()
        assert await keeper.archive_once() == SETTLING_EVERY_S
        assert await tiers.cold.count() == 1
        assert await tiers.cold.records.find(Batch) == [batch]
        assert keeper.last_pass is not None
        assert "hot.db is not open" in keeper.last_pass["error"]
        assert "hot.db is not open" in (keeper.archive_problem or "")
        await tiers.hot.open()
        await keeper.archive_once()
        assert keeper.archive_problem is None
    finally:
        await tiers.warm.records.close()
        await tiers.close()


async def test_a_tier_that_was_open_and_went_away_is_told_of(tmp_path: Path) -> None:
    tiers = _apart(tmp_path)
    keeper = Keeper(tiers, hot_days=3, warm_days=30, clock=lambda: NOW)
    await keeper.open_now()
    try:
        await keeper.ask_now()
        assert keeper.closed == {}
        await tiers.cold.close()
        await keeper.ask_now()
        assert list(keeper.closed) == ["cold"]
        assert "cold.db is not open" in (keeper.closed["cold"] or "")
        await tiers.cold.open()
        await keeper.ask_now()
        assert keeper.status()["closed"] == {}
    finally:
        await tiers.close()


async def test_nothing_is_archived_before_every_tier_was_tried(tmp_path: Path) -> None:
    tiers = _apart(tmp_path)
    keeper = Keeper(tiers, hot_days=3, warm_days=30, clock=lambda: NOW)
    task = asyncio.create_task(keeper.archive())
    try:
        await asyncio.sleep(0.1)
        assert keeper.last_pass is None
        await keeper.open_now()
        await until(lambda: keeper.last_pass is not None, "then it is")
        assert keeper.archive_problem is None
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await tiers.warm.records.close()
        await tiers.close()


async def test_a_tier_that_is_back_is_archived_to_at_once(tmp_path: Path) -> None:
    tiers = _apart(tmp_path)
    keeper = Keeper(tiers, hot_days=3, warm_days=30, clock=lambda: NOW)
    await keeper.open_now()
    await tiers.cold.close()
    task = asyncio.create_task(keeper.archive())
    try:
        await until(lambda: keeper.archive_problem is not None, "cold is away")
        await keeper.ask_now()
        await tiers.cold.open()
        await keeper.ask_now()
        await until(lambda: keeper.archive_problem is None, "not two minutes later")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await tiers.warm.records.close()
        await tiers.close()
