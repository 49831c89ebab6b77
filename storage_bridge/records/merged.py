"""Records of warm and cold as one answer, which says what it lacks."""

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, Unpack, override

from storage_bridge.tiers.base import TierError

from .base import Readable
from .pages import find_all
from .where import fits

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine

    from storage_bridge.reader import Missing
    from storage_bridge.tiers.base import Role, Tiers

    from .model import Record
    from .where import Where

_TIMEOUT_S: Final = 15.0


class MergedRecords:
    """The records of both tiers, to answer one question with.

    `partial` names a tier that failed; it is not asked again. Contents of one key are merged, so
    what only one of the tiers finds is looked up in the other: it may know better.
    """

    def __init__(self, tiers: Tiers, *, timeout_s: float = _TIMEOUT_S) -> None:
        self.partial: list[Missing] = []
        self._sides = (
            _Side("warm", tiers.warm.records, self.partial, timeout_s),
            _Side("cold", tiers.cold.records, self.partial, timeout_s),
        )

    async def find_all[R: Record](self, kind: type[R], **where: Unpack[Where]) -> AsyncGenerator[R]:
        """As `pages.find_all`."""
        streams = [find_all(side, kind, **where) for side in self._sides]
        heads = list(await asyncio.gather(*(anext(stream, None) for stream in streams)))
        while record := min((head for head in heads if head), key=_place, default=None):
            at, found = record.at, record
            for number, side in enumerate(self._sides):
                head = heads[number]
                if head is not None and _place(head) == _place(record):
                    other: R | None = head
                    heads[number] = await anext(streams[number], None)
                else:
                    other = await side.get(kind, record.key)
                found = found if other is None else found.merge(other)
            # Of another time or batch by now: it is found there.
            if found.at == at and fits(found, where):
                yield found

    async def find[R: Record](
        self, kind: type[R], *, limit: int | None = None, **where: Unpack[Where]
    ) -> list[R]:
        """As `Records.find`; None: all there are."""
        found: list[R] = []
        async with aclosing(self.find_all(kind, **where)) as records:
            async for record in records:
                found.append(record)
                if len(found) == limit:
                    break
        return found


class _Side(Readable):
    """A tier that answers with nothing once it has failed."""

    def __init__(
        self, role: Role, records: Readable, partial: list[Missing], timeout_s: float
    ) -> None:
        self._role: Role = role
        self._records = records
        self._partial = partial
        self._timeout_s = timeout_s
        self._away = False

    @override
    async def get[R: Record](self, kind: type[R], key: str) -> R | None:
        return await self._ask(self._records.get(kind, key))

    @override
    async def find[R: Record](
        self, kind: type[R], *, limit: int = 1000, **where: Unpack[Where]
    ) -> list[R]:
        return await self._ask(self._records.find(kind, limit=limit, **where)) or []

    async def _ask[T](self, question: Coroutine[object, object, T]) -> T | None:
        if self._away:
            question.close()
            return None
        try:
            async with asyncio.timeout(self._timeout_s):
                return await question
        except TimeoutError:
            error = f"The {self._role} tier did not answer within {self._timeout_s:g} s."
        except TierError as err:
            error = str(err)
        self._away = True
        self._partial.append({"tier": self._role, "error": error})
        return None


def _place(record: Record) -> tuple[int, str]:
    return record.at, record.key
