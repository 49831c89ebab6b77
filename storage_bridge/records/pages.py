"""All records of a question, however many."""

from typing import TYPE_CHECKING, Final, Unpack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .base import Readable
    from .model import Record
    from .where import Where

PAGE: Final = 1000
HOUR_MS: Final = 3_600_000


async def find_all[R: Record](
    records: Readable, kind: type[R], *, page: int = PAGE, **where: Unpack[Where]
) -> AsyncIterator[R]:
    """As `Records.find`, page after page; what is added meanwhile may come or not."""
    limit = page
    seen: set[str] = set()  # keys of the time a page begins at
    while True:
        found = await records.find(kind, limit=limit, **where)
        for record in found:
            if record.key not in seen:
                yield record
        if len(found) < limit:
            return
        last = found[-1].at
        # More of one time than a page holds: look at more.
        limit = limit * 2 if last == where.get("start") else page
        where["start"], seen = last, {record.key for record in found if record.at == last}


async def newest_time[R: Record](
    records: Readable, kind: type[R], subject: str, now: int
) -> int | None:
    """The latest time of any record about `subject`; None if there is none. `now`: where to look.

    Looks backwards in windows that double, so that it costs little where there are many.
    """
    end, start = None, max(0, now - HOUR_MS)
    while True:
        newest = None
        async for record in find_all(records, kind, start=start, end=end, subject=subject):
            newest = record.at
        if newest is not None or start == 0:
            return newest
        end, start = start, max(0, start - 2 * (now - start))
