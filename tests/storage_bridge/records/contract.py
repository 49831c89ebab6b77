"""What every store of records must do, whatever is behind it.

A test module of a store subclasses `RecordsContract` and gives the fixture `make`: clients, not yet
open, of one empty store. It imports the fixture `records` from here.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from storage_bridge.records.base import Records
from storage_bridge.records.model import (
    Acknowledgement,
    Alarm,
    Batch,
    BatchSeries,
    DeadLetter,
    Event,
    Note,
    Record,
    Refused,
)

type Make = Callable[[], Records]

BATCH = Batch("B001-LAGER", "mash-tun", 1000, None, "Märzen $1.0", "", 5)
ALARM = Alarm("mash-a", "high_limit", 2000, "Too hot", None, "mash-tun", "B001-LAGER")
ONE_OF_EACH: list[Record] = [
    BATCH,
    BatchSeries("B001-LAGER", "mash-a/t", "mash-tun", 1000, None),
    ALARM,
    Acknowledgement("mash-a", "high_limit", 2000, 2500, "Ann", "on my way"),
    Note("n1", 3000, "mash-tun", "Ann", "Iodine test\nnegative", 3000, "B001-LAGER"),
    Event("switch.pump", 4000, "on"),
    DeadLetter("warm", "mash-a", 5000, "too hot to store", "('mash-a/t', 1)"),
    Refused("mash-a/t", 6000, 1.5, "ok", None, None, "bad:crc", "b1"),
]


@pytest.fixture
async def records(make: Make) -> AsyncIterator[Records]:
    made = make()
    await made.open()
    yield made
    await made.close()


class RecordsContract:
    async def test_an_empty_store_answers(self, records: Records) -> None:
        assert await records.put([]) == 0
        assert await records.find(Batch) == []
        assert await records.get(Batch, BATCH.key) is None

    async def test_every_kind_comes_back_as_it_was(self, records: Records, make: Make) -> None:
        assert await records.put(ONE_OF_EACH) == len(ONE_OF_EACH)
        for record in ONE_OF_EACH:
            assert await records.get(type(record), record.key) == record
            assert await records.find(type(record)) == [record]
        later = make()
        await later.open()
        try:
            assert await later.find(Batch) == [BATCH]
        finally:
            await later.close()

    async def test_a_replay_brings_nothing_new(self, records: Records) -> None:
        await records.put([*ONE_OF_EACH, *ONE_OF_EACH])
        assert await records.put(ONE_OF_EACH) == 0
        for record in ONE_OF_EACH:
            assert await records.find(type(record)) == [record]

    async def test_an_older_content_undoes_nothing(self, records: Records) -> None:
        ended = replace(BATCH, ended=9000)
        renamed = replace(BATCH, started=900, name="Export", changed=6)
        assert await records.put([ended]) == 1
        assert await records.put([renamed]) == 1
        assert await records.put([BATCH, ended, renamed]) == 0
        after = replace(renamed, ended=9000)
        assert await records.find(Batch) == [after]
        assert await records.find(Batch, start=900, end=901) == [after], "found by its new time"
        assert await records.find(Batch, start=1000) == []

    async def test_a_cleared_alarm_is_not_raised_again_but_may_come_again(
        self, records: Records
    ) -> None:
        cleared = replace(ALARM, cleared=2700)
        again = replace(ALARM, since=8000)
        await records.put([cleared])
        assert await records.put([ALARM, again]) == 1
        assert await records.find(Alarm) == [cleared, again]

    async def test_they_are_found_by_time_subject_and_batch(self, records: Records) -> None:
        events = [
            Event(entity, t, str(t), batch)
            for t in range(10)
            for entity, batch in (("switch.a", "b1"), ("switch.b", None))
        ]
        await records.put(events[::-1])
        found = await records.find(Event)
        assert [event.t for event in found] == [event.t for event in events]
        assert set(found) == set(events)
        assert await records.find(Event, start=3, end=5, subject="switch.b") == events[7:11:2]
        assert await records.find(Event, batch="b1", limit=3) == events[0:6:2]
        assert await records.find(Event, subject="switch.b", batch="b1") == []
        assert await records.find(Event, start=10) == []

    async def test_two_bridges_writing_the_same_at_once_keep_what_both_saw(
        self, records: Records, make: Make
    ) -> None:
        other = make()
        await other.open()
        try:

            async def write(store: Records, offset: int) -> None:
                for i in range(20):
                    t = 2 * i + offset
                    seen = replace(BATCH, started=1000 - t, ended=5000 + t, notes=str(t), changed=t)
                    await store.put([seen, Event("switch.pump", i, "on")])

            await asyncio.gather(write(records, 0), write(other, 1))
            want = replace(BATCH, started=961, ended=5039, notes="39", changed=39)
            for store in (records, other):
                assert await store.find(Batch) == [want]
                assert len(await store.find(Event)) == 20
        finally:
            await other.close()
