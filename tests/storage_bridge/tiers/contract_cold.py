"""What every cold tier must do."""

import asyncio

from storage_bridge.codec import encode, verified
from storage_bridge.model import HOUR_MS, Sample
from storage_bridge.tiers.base import Span, Tiers
from tests.storage_bridge.generated import probe_hour

from .contract import A, B, TierFactory, opened, samples


class ColdContract:
    """The cold tier."""

    HOUR = 1_600_000_000_000 // HOUR_MS * HOUR_MS

    async def test_an_empty_archive_answers(self, tiers: Tiers) -> None:
        cold = tiers.cold
        assert await cold.series() == []
        assert await cold.span(A) is None
        assert await cold.count() == 0
        assert await cold.heads(A, 0, 10**13) == []
        assert await cold.chunks(A, 0, 10**13) == []

    async def test_chunks_come_back_whole_in_order_and_by_hour(self, tiers: Tiers) -> None:
        hours = [self.HOUR + i * HOUR_MS for i in (0, 1, 5)]
        chunks = [encode(probe_hour(hour, i, series=A)) for i, hour in enumerate(hours)]
        for chunk in reversed(chunks):
            await tiers.cold.write_chunk(chunk)
        await tiers.cold.write_chunk(encode(samples(self.HOUR, 3, B)))
        assert await tiers.cold.chunks(A, 0, 10**13) == chunks
        assert await tiers.cold.heads(A, 0, 10**13) == [chunk.head for chunk in chunks]
        inside = await tiers.cold.heads(A, hours[0] + 1, hours[1] + 1)
        assert inside == [chunk.head for chunk in chunks[:2]]
        assert await tiers.cold.heads(A, hours[0], hours[1]) == [chunks[0].head]
        assert await tiers.cold.heads(A, hours[1] + HOUR_MS, hours[2]) == []
        assert await tiers.cold.series() == [A, B]
        assert await tiers.cold.span(A) == Span(hours[0], hours[2] + HOUR_MS - 1000)
        assert await tiers.cold.count() == 3 * 3600 + 3

    async def test_late_data_adds_a_row_and_a_retry_none(self, tiers: Tiers) -> None:
        rows = samples(self.HOUR, 10)
        early, late = encode(rows[2:]), encode(rows[:2])
        for chunk in (early, late, early, late):
            await tiers.cold.write_chunk(chunk)
        found = await tiers.cold.chunks(A, self.HOUR, self.HOUR + 1)
        assert found == sorted((early, late), key=lambda chunk: chunk.head.gen)
        assert await tiers.cold.span(A) == Span(rows[0].t, rows[-1].t)

    async def test_a_bad_hour_has_no_extremes(self, tiers: Tiers) -> None:
        chunk = encode([Sample(A, self.HOUR, None, "bad:crc", None)])
        await tiers.cold.write_chunk(chunk)
        assert await tiers.cold.chunks(A, self.HOUR, self.HOUR + 1) == [chunk]
        assert chunk.head.low is None

    async def test_writing_again_replaces_a_damaged_blob(self, tiers: Tiers) -> None:
        rows = samples(self.HOUR, 10)
        good = encode(rows)
        await tiers.cold.write_chunk(good._replace(data=b"rotten"))
        await tiers.cold.write_chunk(good)
        (found,) = await tiers.cold.chunks(A, self.HOUR, self.HOUR + 1)
        assert verified(found) == rows

    async def test_two_bridges_archiving_the_same_hours_store_them_once(
        self, tiers: Tiers, factory: TierFactory
    ) -> None:
        hours = range(self.HOUR, self.HOUR + 10 * HOUR_MS, HOUR_MS)
        chunks = [encode(samples(hour, 50)) for hour in hours]
        async with opened(factory) as other:

            async def put(client: Tiers) -> None:
                for chunk in chunks:
                    await client.cold.write_chunk(chunk)

            await asyncio.gather(put(tiers), put(other))
        assert await tiers.cold.chunks(A, 0, 10**13) == chunks

    async def test_a_mark_stays_until_its_hour_is_written(self, tiers: Tiers) -> None:
        first, other = encode(samples(self.HOUR, 10)), encode(samples(self.HOUR + HOUR_MS, 10))
        await tiers.cold.write_chunk(first)
        mark = await tiers.cold.mark(A, self.HOUR)
        await tiers.cold.write_chunk(other)
        assert await tiers.cold.mark(A, self.HOUR) == mark
