"""Archiving and opening, on time."""

from typing import TYPE_CHECKING

from storage_bridge.keeper import DAY_MS, PASS_EVERY_S, SETTLING_EVERY_S, Keeper
from storage_bridge.model import HOUR_MS, Sample
from storage_bridge.tiers import embedded

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
    finally:
        await tiers.close()
