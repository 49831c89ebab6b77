"""Alarms become records, whoever was away when."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from storage_bridge.alarm_log import AlarmLog, read_page
from storage_bridge.backoff import Backoff
from storage_bridge.ha_link import HomeAssistantLink
from storage_bridge.kettles import Kettles
from storage_bridge.records.model import Acknowledgement, Alarm
from storage_bridge.tiers import Tiers, embedded
from storage_bridge.tiers.base import TierUnavailableError

from .fake_home_assistant import TOKEN, FakeHomeAssistant
from .waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from storage_bridge.records.base import Records

QUICK = Backoff(base=0.01, cap=0.05)
SEEN = {"by": "Ana", "note": "on my way", "t": 15}


def alarm(alarm_id: str, since: int = 10, **changes: Any) -> dict[str, Any]:
    return {
        "alarm_id": alarm_id, "since": since, "text": "Look at it.", "kettle_id": "mash-tun",
        "batch_id": "B1", "acknowledged": None, **changes,
    }  # fmt: skip


def page(t: int, *alarms: dict[str, Any], past: bool = False) -> dict[str, Any]:
    return {"node_id": "mash-a", "t": t, "past": past, "alarms": list(alarms)}


@pytest.fixture
async def tiers(tmp_path: Path) -> AsyncIterator[Tiers]:
    made = embedded(tmp_path / "store.db")
    await made.open()
    yield made
    await made.warm.records.close()
    await made.close()


@pytest.fixture
def records(tiers: Tiers) -> Records:
    return tiers.warm.records


@asynccontextmanager
async def following(ha: FakeHomeAssistant, tiers: Tiers) -> AsyncIterator[tuple[AlarmLog, Kettles]]:
    kettles = Kettles()
    log = AlarmLog(tiers, kettles, retry=QUICK)
    link = HomeAssistantLink("alarms", log.follow, url=ha.url, token=lambda: TOKEN, reconnect=QUICK)
    task = asyncio.create_task(link.run())
    try:
        yield log, kettles
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def told(records: Records, *expected: tuple[str, int | None]) -> None:
    """Wait until these alarms are recorded, with when they were cleared."""
    async with asyncio.timeout(40):
        while True:
            found = [(one.alarm_id, one.cleared) for one in await records.find(Alarm)]
            if sorted(found, key=str) == sorted(expected, key=str):
                return
            await asyncio.sleep(0.01)


async def test_an_alarm_is_raised_seen_and_cleared(records: Records, tiers: Tiers) -> None:
    async with FakeHomeAssistant() as ha, following(ha, tiers):
        ha.alarm_pages.append(page(11, alarm("hot"), alarm("dry", 11)))
        await told(records, ("hot", None), ("dry", None))
        ha.alarm_pages.append(page(16, alarm("hot", acknowledged=SEEN)))
        await told(records, ("hot", None), ("dry", 16))
        ha.alarm_pages.append(page(20))
        await told(records, ("hot", 20), ("dry", 16))
        assert await records.find(Acknowledgement, batch="B1") == [
            Acknowledgement("mash-a", "hot", 10, 15, "Ana", "on my way", "B1")
        ]
        (hot,) = [one for one in await records.find(Alarm, batch="B1") if one.alarm_id == "hot"]
        assert hot == Alarm("mash-a", "hot", 10, "Look at it.", 20, "mash-tun", "B1")


async def test_pages_that_come_again_change_nothing(records: Records, tiers: Tiers) -> None:
    pages = [page(11, alarm("hot")), page(12), page(13, alarm("hot", 13)), page(14)]
    async with FakeHomeAssistant() as ha:
        for count in range(1, 5):
            ha.alarm_pages = [
                {**one, "past": place < count} for place, one in enumerate(pages[:count], 1)
            ]
            async with following(ha, tiers):
                expected: list[tuple[str, int | None]] = [("hot", None)]
                expected = [("hot", 12)] if count >= 2 else expected
                expected += [("hot", None)] if count == 3 else []
                expected += [("hot", 14)] if count == 4 else []
                await told(records, *expected)


async def test_one_that_went_while_nobody_looked_is_cleared(records: Records, tiers: Tiers) -> None:
    await records.put([Alarm("mash-a", f"a{n}", n, "x", None) for n in range(3)])
    await records.put([Alarm("other", "a0", 0, "x", None)])
    async with FakeHomeAssistant() as ha:
        ha.alarm_pages = [page(40, past=True), page(50, alarm("a1", 1, batch_id=None))]
        async with following(ha, tiers) as (log, _):
            await told(records, ("a0", 50), ("a1", None), ("a2", 50), ("a0", None))
            ha.alarm_pages += [{"node_id": 5}, "nonsense", page(51, alarm("a1", "soon"))]  # type: ignore[arg-type, list-item]
            await until(lambda: log.counts["malformed"] == 3, "told apart")
            ha.alarm_pages.append(page(60))
            await told(records, ("a0", 50), ("a1", 60), ("a2", 50), ("a0", None))


async def test_a_store_that_is_away_is_waited_for(
    records: Records, tiers: Tiers, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, failures = records.put, iter(range(5))

    async def away(given: Any) -> int:
        if next(failures, None) is not None:
            raise TierUnavailableError("The store is away.")
        return await put(given)

    monkeypatch.setattr(records, "put", away)
    async with FakeHomeAssistant() as ha, following(ha, tiers):
        ha.alarm_pages += [page(11, alarm("hot")), page(12)]
        await told(records, ("hot", 12))


async def test_a_kettle_that_is_not_known_is_asked_for(tiers: Tiers) -> None:
    async with FakeHomeAssistant() as ha, following(ha, tiers) as (_, kettles):
        ha.kettles = {"new/t": "fermenter"}
        assert kettles.of("new/t") is None
        await until(lambda: kettles.of("new/t") == "fermenter", "learnt")


def test_an_acknowledgement_of_a_node_without_a_clock_or_a_name_is_kept() -> None:
    rows = [alarm("hot", acknowledged={"by": None, "note": None, "t": None})]
    _, (seen,) = read_page("n", rows)
    assert seen == Acknowledgement("n", "hot", 10, 10, "?", "", "B1")


@pytest.mark.parametrize(
    "change", [{"since": None}, {"since": True}, {"text": 3}, {"kettle_id": 3}, {"alarm_id": ""}]
)
def test_what_is_no_alarm_is_told_apart(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_page(
            "n",
            [alarm("hot", **change)] if "alarm_id" not in change else [{**alarm("x"), **change}],
        )
