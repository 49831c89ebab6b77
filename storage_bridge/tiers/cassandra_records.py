"""Archived records in Cassandra; tables are told in the schema."""

import uuid
from functools import reduce
from typing import TYPE_CHECKING, Final, NamedTuple, Unpack, override

from storage_bridge.records.base import ColdRecords
from storage_bridge.records.content import Content, content_of, record_of
from storage_bridge.records.model import Record, merged
from storage_bridge.records.where import fits, span
from storage_bridge.side_by_side import side_by_side

from .base import TierRejectedError, TierUnavailableError
from .cassandra_schema import month_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from storage_bridge.records.where import Where

    from .cassandra_link import Rows
    from .cassandra_session import CassandraSession

_AT_ONCE: Final = 8
_PAGE: Final = 1000
_MONTHS: Final = ""
_SEAL: Final = "seal"
_MANY: Final = 1_000_000  # months, or seals: as many as there are


class _Place(NamedTuple):
    """Where a record is found."""

    place: str
    at: int
    key: str


class _Look(NamedTuple):
    """What is held of a record, what it comes to with another content, and what that lacks."""

    known: Record | None
    after: Record
    lacking: list[_Place]
    mark: bytes

    @property
    def whole(self) -> bool:
        return self.known == self.after and not self.lacking


class CassandraRecords(ColdRecords):
    """Records in the keyspace of the tier, which opens and closes the session; nothing deletes."""

    def __init__(self, session: CassandraSession, ttl: int) -> None:
        self._session = session
        self._ttl = ttl

    @override
    async def open(self) -> None:
        await self._session.open()

    @override
    async def close(self) -> None:
        pass  # with its tier

    @override
    async def put(self, records: Sequence[Record]) -> int:
        async def put_one(record: Record) -> bool:
            look = await self._look(record)
            if not look.whole:
                await self._write(look)
            return look.known != look.after

        return sum(await _each(merged(records), put_one))

    @override
    async def get[R: Record](self, kind: type[R], key: str) -> R | None:
        return _merged(kind, await self._read("record", kind.kind, key))

    @override
    async def find[R: Record](
        self, kind: type[R], *, limit: int = 1000, **where: Unpack[Where]
    ) -> list[R]:
        found: list[R] = []
        async for places in self._places(kind, where, min(limit, _PAGE)):
            records = await _each(places, lambda place: self.get(kind, place.key))
            for place, record in zip(places, records, strict=True):
                # A record has one time and batch, though it may have had others.
                if record is not None and record.at == place.at and fits(record, where):
                    found.append(record)
            if len(found) >= limit:
                break
        return found[:limit]

    @override
    async def seal(self) -> str:
        seals = await self._list(_SEAL, _SEAL, 0, 1, _MANY)
        if not seals:
            # Bridges that do this at once see each other's the next time, and agree on the least.
            made = _Place(_SEAL, 0, uuid.uuid4().hex)
            await self._session.run("write place", _SEAL, *made, b"", 0)
            seals = await self._list(_SEAL, _SEAL, 0, 1, _MANY)
        if not seals:
            raise TierUnavailableError("Cassandra did not give back what it was given just now.")
        return min(seal.key for seal in seals)

    @override
    async def held(self, records: Sequence[Record]) -> list[bytes | None]:
        looks = await _each(records, self._look)
        return [look.mark if look.whole else None for look in looks]

    async def _look[R: Record](self, record: R) -> _Look:
        rows = await self._read("record", record.kind, record.key)
        known = _merged(type(record), rows)
        after = record if known is None else known.merge(record)
        places = _places_of(after)
        times = await self._read_all(*(("place", (after.kind, *place)) for place in places))
        lacking = [place for place, found in zip(places, times, strict=True) if not found]
        written = [(gen, t) for gen, _, t in rows]
        return _Look(known, after, lacking, repr((written, times)).encode())

    async def _write(self, look: _Look) -> None:
        # None needs to be first: one without the others is not held, and is written again.
        kind, (gen, body) = look.after.kind, content_of(look.after)
        statements: list[tuple[str, tuple[object, ...]]] = []
        if look.known != look.after:
            statements.append(("write record", (kind, look.after.key, gen, body, self._ttl)))
        for place in look.lacking:
            # The list of months stays: records of one may be archived at any time.
            ttl = 0 if place.place == _MONTHS else self._ttl
            statements.append(("write place", (kind, *place, gen, ttl)))
        await self._session.run_all(*statements)

    async def _places(
        self, kind: type[Record], where: Where, page: int
    ) -> AsyncIterator[list[_Place]]:
        """Where records of a range or batch are found, by rising time and key, page by page."""
        (start, end), batch = span(where), where.get("batch")
        if start >= end:
            return
        names = [_batch(batch)] if batch is not None else await self._months(kind, start, end)
        for name in names:
            at, key = start, ""
            while True:
                places = await self._list(kind.kind, name, at, end, page, key)
                if places:
                    yield places
                if len(places) < page:
                    break
                at, key = places[-1].at, places[-1].key

    async def _months(self, kind: type[Record], start: int, end: int) -> list[str]:
        first, last = month_of(start), month_of(end - 1)
        months = await self._list(kind.kind, _MONTHS, first, last + 1, _MANY)
        return [month.key for month in months]

    async def _list(
        self, kind: str, place: str, at: int, end: int, limit: int, key: str = ""
    ) -> list[_Place]:
        rows = await self._read("places", kind, place, at, key, end, limit)
        return [_Place(place, *row) for row in rows]

    async def _read(self, name: str, *parameters: object) -> Rows:
        (rows,) = await self._read_all((name, parameters))
        return rows

    async def _read_all(self, *statements: tuple[str, Sequence[object]]) -> list[Rows]:
        try:
            return await self._session.run_all(*statements)
        except TierRejectedError as err:  # a table that is gone, say: no record is at fault
            raise TierUnavailableError(str(err)) from err


async def _each[T, U](items: Sequence[T], ask: Callable[[T], Awaitable[U]]) -> list[U]:
    """What each of them gives, in their order, some asked at the same time."""
    given: dict[int, U] = {}
    left = iter(enumerate(items))

    async def work() -> None:
        for number, item in left:
            given[number] = await ask(item)

    await side_by_side(_AT_ONCE, work)
    return [given[number] for number in range(len(items))]


def _merged[R: Record](kind: type[R], rows: Rows) -> R | None:
    """What the contents of a record come to; a damaged one counts as absent."""
    contents = [record_of(kind, Content(bytes(gen), body)) for gen, body, _ in rows]
    whole = [record for record in contents if record is not None]
    return reduce(lambda one, other: one.merge(other), whole) if whole else None


def _places_of(record: Record) -> list[_Place]:
    month = month_of(record.at)
    name = f"m/{month}"
    places = [_Place(_MONTHS, month, name), _Place(name, record.at, record.key)]
    if record.batch is not None:
        places.append(_Place(_batch(record.batch), record.at, record.key))
    return places


def _batch(batch_id: str) -> str:
    return f"b/{batch_id}"
