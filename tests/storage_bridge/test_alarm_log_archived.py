"""Alarms that only the archive has, when warm came back empty, and an archive that is away."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from storage_bridge.alarm_log import AHEAD_MS
from storage_bridge.config import load
from storage_bridge.records.archive import RecordArchiver
from storage_bridge.records.merged import MergedRecords
from storage_bridge.records.model import Alarm
from storage_bridge.stored import open_store
from storage_bridge.tiers import Tiers
from storage_bridge.tiers.base import TierUnavailableError
from storage_bridge.tiers.sqlite_cold_records import SqliteColdRecords

from .bridge_files import write_config
from .fake_home_assistant import FakeHomeAssistant
from .test_alarm_log import alarm, following, page, told
from .waiting import LIMIT_S, until

EVERYWHERE = pytest.mark.parametrize(
    "stores", [(), ("mongo", "cassandra")], indirect=True, ids=["embedded", "mongo+cassandra"]
)
EMBEDDED = pytest.mark.parametrize("stores", [()], indirect=True, ids=["embedded"])


def stored(alarm_id: str, since: int, cleared: int | None = None) -> Alarm:
    return Alarm("mash-a", alarm_id, since, "Look at it.", cleared, "mash-tun", "B1")


@pytest.fixture
async def tiers(stores: dict[str, Any], tmp_path: Path) -> AsyncIterator[Tiers]:
    config = load(write_config(tmp_path, "ws://127.0.0.1:9/api/websocket", tiers=stores))
    async with open_store(config, create=True) as made:
        await made.warm.records.open()
        yield made
        await made.warm.records.close()


async def shown(tiers: Tiers) -> dict[str, int | None]:
    """What an answer says, from both tiers; each alarm is in it once."""
    both = MergedRecords(tiers)
    found = await both.find(Alarm)
    assert both.partial == []
    assert len({one.key for one in found}) == len(found)
    return {one.alarm_id: one.cleared for one in found}


async def shows(tiers: Tiers, **expected: int | None) -> None:
    async with asyncio.timeout(LIMIT_S):
        while await shown(tiers) != expected:
            await asyncio.sleep(0.01)


@EVERYWHERE
async def test_what_only_the_archive_has_open_is_cleared_once_it_is_gone(tiers: Tiers) -> None:
    before = [stored("gone", 10), stored("stands", 11), stored("over", 12, 20)]
    await tiers.cold.records.put(before)
    await tiers.cold.records.put([Alarm("other", "away", 9, "x")])
    async with FakeHomeAssistant() as ha:
        ha.alarm_pages = [page(40, past=True), page(50, alarm("stands", 11), alarm("new", 45))]
        async with following(ha, tiers):
            await shows(tiers, gone=50, stands=None, over=20, new=None, away=None)
            ha.alarm_pages.append(page(60, alarm("new", 45)))
            await shows(tiers, gone=50, stands=60, over=20, new=None, away=None)
    archiver = RecordArchiver(tiers.warm.records, tiers.cold.records, settle_s=0)
    await archiver.run_pass()
    archived = {one.alarm_id: one.cleared for one in await tiers.cold.records.find(Alarm)}
    assert archived == {"gone": 50, "stands": 60, "over": 20, "new": None, "away": None}


@EMBEDDED
async def test_an_older_warm_tier_undoes_no_end_that_the_archive_knows(tiers: Tiers) -> None:
    """As after warm was restored from an older copy."""
    await tiers.warm.records.put([stored("hot", 10), stored("dry", 11)])
    await tiers.cold.records.put([stored("hot", 10, 20)])
    async with FakeHomeAssistant() as ha:
        ha.alarm_pages = [page(50)]
        async with following(ha, tiers):
            await shows(tiers, hot=20, dry=50)
    assert (await tiers.warm.records.get(Alarm, stored("hot", 10).key)) == stored("hot", 10)


@EMBEDDED
async def test_an_archive_that_is_away_is_asked_until_it_answers_and_holds_up_nothing(
    tiers: Tiers, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tiers.cold.records.put([stored("archived", 10), stored("stands", 11)])
    await tiers.warm.records.put([stored("kept", 12)])

    async def away(*_args: Any, **_more: Any) -> Any:
        raise TierUnavailableError("The archive has gone.")

    async with FakeHomeAssistant() as ha:
        with monkeypatch.context() as patch:
            patch.setattr(SqliteColdRecords, "find", away)
            patch.setattr(SqliteColdRecords, "get", away)
            ha.alarm_pages = [page(50, alarm("stands", 11))]
            async with following(ha, tiers) as (log, _):
                await until(lambda: "archive has gone" in (log.problem or ""), "it says so")
                await told(tiers.warm.records, ("kept", 50), ("stands", None))
                ha.alarm_pages.append(page(60, alarm("stands", 11), alarm("new", 60)))
                await told(tiers.warm.records, ("kept", 50), ("stands", None), ("new", None))
                patch.undo()
                # Gone by the first page, though it was known of only after the second.
                await shows(tiers, archived=50, kept=50, stands=None, new=None)
                await until(lambda: log.problem is None, "all is well")


@EMBEDDED
async def test_an_alarm_that_another_bridge_saw_first_stays_open(tiers: Tiers) -> None:
    """Its Home Assistant is ahead: the newest page here is older than the alarm."""
    await tiers.warm.records.put([stored("old", 49), stored("ahead", 51)])
    async with FakeHomeAssistant() as ha:
        ha.alarm_pages = [page(50)]
        async with following(ha, tiers):
            await shows(tiers, old=50, ahead=None)
            ha.alarm_pages += [page(52, alarm("ahead", 51)), page(53)]
            await shows(tiers, old=50, ahead=53)


@EMBEDDED
async def test_an_alarm_of_a_clock_that_ran_far_ahead_is_closed(tiers: Tiers) -> None:
    later = 50 + AHEAD_MS + 1
    await tiers.warm.records.put([stored("astray", later)])
    async with FakeHomeAssistant() as ha:
        ha.alarm_pages = [page(50)]
        async with following(ha, tiers):
            await shows(tiers, astray=later)
