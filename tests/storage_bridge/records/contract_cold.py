"""What every archive of records must do besides, whatever is behind it."""

import asyncio
from dataclasses import replace

from storage_bridge.records.base import ColdRecords
from storage_bridge.records.model import Batch, Event, Note
from storage_bridge.records.pages import find_all

from .contract import ALARM, BATCH, ONE_OF_EACH, Make, RecordsContract

MONTH_MS = 31 * 86_400_000
T = 1_790_000_000_000


class ColdRecordsContract(RecordsContract):
    """`make` gives archives."""

    async def test_what_is_held_is_told_and_its_mark_stays(self, records: ColdRecords) -> None:
        assert await records.held([]) == []
        assert await records.held(ONE_OF_EACH) == [None] * len(ONE_OF_EACH)
        await records.put(ONE_OF_EACH)
        marks = await records.held(ONE_OF_EACH)
        assert None not in marks
        await records.put(ONE_OF_EACH)
        await records.put([Event("switch.pump", 4001, "off"), replace(BATCH, batch_id="B002")])
        assert await records.held(ONE_OF_EACH) == marks, "nothing of theirs was written again"
        ended = replace(BATCH, ended=9000)
        assert await records.held([ended, ALARM]) == [None, marks[2]]
        await records.put([ended])
        again = await records.held([ended, BATCH, replace(BATCH, started=999)])
        assert [mark is None for mark in again] == [False, False, True], "older ones are part of it"

    async def test_a_record_whose_time_moves_is_found_once_and_whole(
        self, records: ColdRecords
    ) -> None:
        late = replace(BATCH, started=T, ended=T + 5)
        early = replace(BATCH, started=T - 2 * MONTH_MS, name="Märzen", changed=9)
        want = replace(early, ended=T + 5)
        for content in (late, early, late):
            await records.put([content])
        assert await records.find(Batch) == [want]
        assert await records.find(Batch, batch=BATCH.batch_id) == [want]
        assert await records.find(Batch, start=T) == []
        assert await records.find(Batch, end=T) == [want]
        assert await records.get(Batch, BATCH.key) == want
        assert None not in await records.held([late, early, want])

    async def test_a_note_that_goes_to_another_batch_is_found_there(
        self, records: ColdRecords
    ) -> None:
        note = Note("n", T, "k", "Ann", "x", 1, "b1")
        moved = replace(note, batch_id="b2", changed=2)
        await records.put([note])
        await records.put([moved])
        assert await records.find(Note, batch="b1") == []
        assert await records.find(Note, batch="b2") == [moved]
        assert await records.find(Note) == [moved]

    async def test_many_come_page_by_page_over_months(self, records: ColdRecords) -> None:
        """And many of one time."""
        events = [Event(f"switch.{n % 7}", T + n // 20 * MONTH_MS, str(n), None) for n in range(90)]
        events = list({event.key: event for event in events}.values())
        extra = [Event(f"switch.x{n:02}", T + MONTH_MS, "on") for n in range(30)]
        wanted = sorted([*events, *extra], key=lambda event: (event.t, event.key))
        await records.put(wanted)
        found = [event async for event in find_all(records, Event, page=4)]
        assert [event.t for event in found] == [event.t for event in wanted]
        assert set(found) == set(wanted)
        some = await records.find(Event, start=T + MONTH_MS, end=T + 3 * MONTH_MS, limit=35)
        assert some == [event for event in wanted if event.t >= T + MONTH_MS][:35]

    async def test_two_bridges_archiving_at_once_end_with_what_both_had(
        self, records: ColdRecords, make: Make
    ) -> None:
        other = make()
        await other.open()
        try:
            mine, theirs = replace(BATCH, ended=7), replace(BATCH, started=900, name="x", changed=9)
            await asyncio.gather(
                *(records.put([mine, *ONE_OF_EACH[1:]]) for _ in range(4)),
                *(other.put([theirs, *ONE_OF_EACH[1:]]) for _ in range(4)),
            )
            want = [mine.merge(theirs), *ONE_OF_EACH[1:]]
            for store in (records, other):
                assert [one for r in want for one in await store.find(type(r))] == want
            assert None not in await records.held(want)
        finally:
            await other.close()

    async def test_bridges_agree_on_the_seal(self, records: ColdRecords, make: Make) -> None:
        other = make()
        assert isinstance(other, type(records))
        await other.open()
        try:
            await asyncio.gather(records.seal(), other.seal(), records.seal())
            seal = await records.seal()
            assert seal
            assert await other.seal() == await records.seal() == seal
        finally:
            await other.close()
