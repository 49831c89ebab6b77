"""The cold tier in Cassandra; tables and the rule of timestamps are told in the schema."""

import asyncio
from itertools import batched, chain, groupby
from typing import TYPE_CHECKING, Any, override

from storage_bridge.codec import Chunk, ChunkHead
from storage_bridge.model import hour_of
from storage_bridge.side_by_side import side_by_side

from .base import ColdTier, Role, Span, TierRejectedError, TierUnavailableError
from .cassandra_records import CassandraRecords
from .cassandra_schema import DAY_S, month_of
from .cassandra_session import CassandraSession

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from storage_bridge.records.base import ColdRecords

    from .cassandra_link import Rows
    from .cassandra_settings import CassandraSettings


_SHORT_MS = 16 * DAY_S * 1000  # ranges that nearly always lie in one month, which need no heads
_T0 = ChunkHead._fields.index("t0") - ChunkHead._fields.index("gen")
_BATCH = 8  # chunks that are waited for together: half the time goes into waking up for answers


class CassandraCold(ColdTier):
    """Encoded hours in Cassandra; nothing here ever deletes."""

    def __init__(self, settings: CassandraSettings) -> None:
        self._session = CassandraSession(settings)
        self._workers = max(1, settings.in_flight // _BATCH)
        self._ttl = (settings.ttl_days or 0) * DAY_S
        self._records = CassandraRecords(self._session, self._ttl)

    @property
    @override
    def role(self) -> Role:
        return "cold"

    @property
    @override
    def records(self) -> ColdRecords:
        return self._records

    @override
    async def open(self) -> None:
        await self._session.open()

    @override
    async def close(self) -> None:
        await self._session.close()

    @override
    async def series(self) -> list[str]:
        return sorted(str(name) for (name,) in await self._read("series"))

    @override
    async def span(self, series: str) -> Span | None:
        first, last = await asyncio.gather(self._read("first", series), self._read("last", series))
        if not first or not last:
            return None
        # Several chunks of an hour: the first of them need not be the earliest.
        start, end = hour_of(first[0][0]), hour_of(last[0][0])
        heads = await asyncio.gather(
            self.heads(series, start, start + 1), self.heads(series, end, end + 1)
        )
        low = min((head.t0 for head in heads[0]), default=first[0][0])
        return Span(low, max((head.t1 for head in heads[1]), default=last[0][0]))

    @override
    async def count(self) -> int:
        counts = await asyncio.gather(*(self._read("count", name) for name in await self.series()))
        return sum(row[0] or 0 for row in chain.from_iterable(counts))

    @override
    async def write_chunk(self, chunk: Chunk) -> None:
        # Neither needs to be first: one without the other is no chunk, and is written again.
        await self._session.run_all(*self._rows(chunk))

    async def write_chunks(self, chunks: Iterable[Chunk]) -> None:
        """Store many chunks, for loading an archive; when it raises, some may be stored."""
        left = iter(batched(chunks, _BATCH, strict=False))

        async def work() -> None:
            for batch in left:
                await self._session.run_all(*chain.from_iterable(map(self._rows, batch)))

        await side_by_side(self._workers, work)

    def _rows(self, chunk: Chunk) -> Iterator[tuple[str, tuple[object, ...]]]:
        head = chunk.head
        facts = head[3:]
        month = month_of(head.hour)
        yield (
            "write chunk",
            (head.series, month, head.hour, head.gen, *facts, chunk.data, self._ttl),
        )
        yield "write head", (head.series, head.hour, head.gen, *facts, self._ttl)

    @override
    async def heads(self, series: str, start: int, end: int) -> list[ChunkHead]:
        rows = await self._read("heads", series, hour_of(start), end)
        return [_head(series, row) for row in rows]

    @override
    async def chunks(self, series: str, start: int, end: int) -> list[Chunk]:
        if end - start <= _SHORT_MS and month_of(start) == month_of(end - 1):
            month = month_of(start)
            heads, *pages = await asyncio.gather(
                self.heads(series, start, end),
                self._read("chunks", series, month, hour_of(start), end),
            )
        else:
            heads = await self.heads(series, start, end)
            pages = await asyncio.gather(
                *(
                    self._read("chunks", series, month, min(hours), max(hours) + 1)
                    for month, hours in _months(heads)
                )
            )
        known = {(head.hour, head.gen) for head in heads}
        # What only one of the two tables has counts as not archived.
        found = (Chunk(_head(series, row[:-1]), row[-1]) for row in chain.from_iterable(pages))
        return [chunk for chunk in found if (chunk.head.hour, chunk.head.gen) in known]

    @override
    async def mark(self, series: str, hour: int) -> bytes:
        times = await asyncio.gather(
            self._read("chunk times", series, month_of(hour), hour, hour + 1),
            self._read("head times", series, hour, hour + 1),
        )
        return repr(times).encode()

    async def _read(self, name: str, *parameters: object) -> Rows:
        try:
            return await self._session.run(name, *parameters)
        except TierRejectedError as err:  # a table that is gone, say: no sample is at fault
            raise TierUnavailableError(str(err)) from err


def _head(series: str, row: Sequence[Any]) -> ChunkHead:
    """From a row that begins with `gen` and goes on as the table `head` does; `t0` is in it."""
    return ChunkHead(series, hour_of(row[_T0]), *row)


def _months(heads: Iterable[ChunkHead]) -> list[tuple[int, list[int]]]:
    hours = (head.hour for head in heads)
    return [(month, list(group)) for month, group in groupby(hours, month_of)]
