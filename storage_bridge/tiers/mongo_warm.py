"""The warm tier in MongoDB: minute documents, written by as many bridges as like."""

import asyncio
import math
from contextlib import aclosing
from itertools import batched
from typing import TYPE_CHECKING, Final, override

from bson.datetime_ms import DatetimeMS
from pymongo import DeleteOne, UpdateOne

from storage_bridge.model import HOUR_MS, MINUTE_MS, Sample
from storage_bridge.reader_buckets import of_samples
from storage_bridge.records.base import WarmRecords
from storage_bridge.records.model import Refused
from storage_bridge.records.mongo import MongoRecords

from .base import (
    Bucket,
    Conflict,
    Role,
    SeriesHour,
    Span,
    TierRejectedError,
    WarmTier,
    Written,
)
from .conflicts import conflict_of, refused_of
from .mongo_documents import document_of, minutes_of, parts_of, samples_of, update_of
from .mongo_migrations import migrate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .mongo_client import Collection, Document, Mongo
    from .mongo_documents import Part

MINUTES: Final = "minutes"
BULK: Final = 400  # operations: some ms to encode, in which nobody else runs
_MET: Final = 20_000  # documents remembered: a minute or two of thousands of series
_READ: Final = 200  # documents decoded without letting anybody else run: a few ms
_CONTENT: Final = ("b", "v")
_KEPT: Final = ("_id", *_CONTENT)
_SUMMARY: Final = {
    "r": {"$sum": "$a.r"},
    "n": {"$sum": "$a.n"},
    "lo": {"$min": "$a.lo"},
    "hi": {"$max": "$a.hi"},
    "t": {"$sum": "$a.t"},
    "f": {"$min": "$a.f"},
    "l": {"$max": "$a.l"},
}


async def _first_step(mongo: Mongo) -> None:
    """Ranges of a series, and the oldest hours of all; no index that lets documents expire."""
    minutes = mongo.collection(MINUTES)
    await minutes.index([("s", 1), ("m", 1)])
    await minutes.index([("m", 1), ("s", 1)])


_STEPS: Final = (_first_step,)


class MongoWarm(WarmTier):
    """Minute documents of a MongoDB database; it cannot tell new samples from known ones.

    Of two contents under one key the first stays, unseen; the mover's compare is what finds such.
    """

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        # Documents that are there, to ask for no second one; one that has gone is made again.
        self._met: set[str] = set()

    @property
    @override
    def role(self) -> Role:
        return "warm"

    @property
    @override
    def records(self) -> WarmRecords:
        return MongoRecords(self._mongo)

    @override
    async def open(self) -> None:
        await self._mongo.open(self.role)
        try:
            await migrate(self._mongo, self.role, _STEPS)
        except BaseException:
            await self.close()
            raise

    @override
    async def close(self) -> None:
        await self._mongo.close(self.role)

    @override
    async def write(self, samples: Sequence[Sample]) -> Written:
        grouped = await asyncio.to_thread(parts_of, samples)
        for parts in batched(grouped, BULK, strict=False):
            await self._add(parts)
        return Written(len(samples), 0)

    async def _add(self, parts: Sequence[Part]) -> None:
        minutes = self._minutes
        new = [part for part in parts if part.key not in self._met]
        more = [part for part in parts if part.key in self._met]
        # A document that is made costs a server a fraction of one that it has to change.
        there = await minutes.insert([document_of(part, _date(part.minute)) for part in new])
        more += [new[place] for place in there]
        await minutes.bulk(
            [
                UpdateOne({"_id": part.key}, update_of(part, _date(part.minute)), upsert=True)
                for part in more
            ]
        )
        if len(self._met) > _MET:
            self._met.clear()
        self._met.update(part.key for part in new)

    @override
    async def read(
        self, series: str, start: int, end: int, limit: int | None = None
    ) -> list[Sample]:
        rows: list[Sample] = []
        at, stop, width = start, end, 0
        if limit is not None:
            # A minute of 1 Hz holds 60: about as many as the limit takes, then more.
            width = (limit // 60 + 2) * MINUTE_MS
            stop = min(end, at - at % MINUTE_MS + width)
        while at < stop and (limit is None or len(rows) < limit):
            query = {"s": series, "m": _between(at, stop)}
            found = self._minutes.batches(query, _CONTENT, sort=[("m", 1)], size=_READ)
            async with aclosing(found):
                async for documents in found:
                    for document in documents:
                        here = samples_of(document)
                        if not here or here[0].t < start or here[-1].t >= end:
                            here = [row for row in here if start <= row.t < end]
                        rows += here
                    if limit is not None and len(rows) >= limit:
                        break
                    await asyncio.sleep(0)  # reading weeks must not hold up the loop
            width *= 4
            at, stop = stop, min(end, stop + width)
        return rows[:limit]

    @override
    async def series(self) -> list[str]:
        return sorted(await self._minutes.distinct("s"))

    @override
    async def span(self, series: str) -> Span | None:
        ends = [
            await self._minutes.find({"s": series}, ["a"], sort=[("m", order)], limit=1)
            for order in (1, -1)
        ]
        if not all(ends):
            return None
        (first,), (last,) = ends
        try:
            return Span(int(first["a"]["f"]), int(last["a"]["l"]))
        except (KeyError, TypeError, ValueError) as err:
            raise _damaged(series, err) from err

    @override
    async def count(self) -> int:
        found = await self._minutes.aggregate([{"$group": {"_id": None, "rows": {"$sum": "$a.r"}}}])
        return int(found[0]["rows"]) if found else 0

    @override
    async def aggregate(self, series: str, start: int, end: int, bucket_ms: int) -> list[Bucket]:
        if start % bucket_ms or end % bucket_ms:
            raise ValueError(f"The range {start} to {end} is not whole buckets of {bucket_ms} ms.")
        if bucket_ms % MINUTE_MS:
            rows = await self.read(series, start, end)
            return await asyncio.to_thread(of_samples, rows, start, end, bucket_ms)
        time = {"$toLong": "$m"}
        found = await self._minutes.aggregate(
            [
                {"$match": {"s": series, "m": _between(start, end)}},
                {
                    "$group": {
                        "_id": {"$subtract": [time, {"$mod": [time, bucket_ms]}]},
                        **_SUMMARY,
                    }
                },
                {"$sort": {"_id": 1}},
            ]
        )
        try:
            return [
                Bucket(
                    int(group["_id"]),
                    group["r"],
                    group["n"],
                    group["lo"],
                    group["hi"],
                    # A sum beyond a double; the reader keeps a mean within its extremes.
                    float(group["t"]) if math.isfinite(group["t"]) else 0.0,
                    int(group["f"]),
                    int(group["l"]),
                )
                for group in found
            ]
        except (KeyError, TypeError, ValueError) as err:
            raise _damaged(series, err) from err

    @override
    async def hours_before(self, t: int, limit: int) -> list[SeriesHour]:
        end = t - t % HOUR_MS
        minutes = self._minutes
        oldest = await minutes.find(
            {"m": {"$lt": DatetimeMS(end)}}, ["m"], sort=[("m", 1)], limit=1
        )
        if not oldest:
            return []
        hours: list[SeriesHour] = []
        start = int(oldest[0]["m"])
        start -= start % HOUR_MS
        window = HOUR_MS
        while start < end and len(hours) < limit:
            stop = min(end, start + window)
            time = {"$toLong": "$m"}
            found = await minutes.aggregate(
                [
                    {"$match": {"m": _between(start, stop)}},
                    {
                        "$group": {
                            "_id": {
                                "h": {"$subtract": [time, {"$mod": [time, HOUR_MS]}]},
                                "s": "$s",
                            }
                        }
                    },
                ]
            )
            keys = sorted((int(group["_id"]["h"]), group["_id"]["s"]) for group in found)
            hours += [SeriesHour(series, hour) for hour, series in keys]
            # Little in an hour: look at more at once, over years that are empty as well.
            start, window = stop, window * 4
        return hours[:limit]

    @override
    async def delete_exact(self, samples: Sequence[Sample]) -> int:
        if not samples:
            return 0
        given = minutes_of(samples)
        minutes = self._minutes
        # Nearly always a document holds just these, in order: then it need not be read once more.
        made = [document_of(part, _date(part.minute)) for part in parts_of(samples)]
        removed = await self._delete(made)
        if removed == len(given):
            return len(samples)
        found = await minutes.find({"_id": {"$in": list(given)}}, _CONTENT)
        here = {document["_id"]: samples_of(document) for document in found}
        gone = [rows for key, rows in given.items() if key not in here][:removed]
        known = [each for each in found if set(given[each["_id"]]).issuperset(here[each["_id"]])]
        if await self._delete(known) != len(known):
            kept = await minutes.find({"_id": {"$in": [each["_id"] for each in known]}}, ["_id"])
            still = {document["_id"] for document in kept}
            known = [each for each in known if each["_id"] not in still]
        return sum(map(len, gone)) + sum(len(here[each["_id"]]) for each in known)

    async def _delete(self, documents: Sequence[Document]) -> int:
        """Remove those that hold exactly this; whoever adds to one meanwhile keeps it."""
        operations = [DeleteOne({key: each.get(key) for key in _KEPT}) for each in documents]
        return (await self._minutes.bulk(operations)).removed

    @override
    async def keep_conflicts(self, conflicts: Iterable[Conflict]) -> None:
        await self.records.put([refused_of(each) for each in conflicts])

    @override
    async def conflicts(self, limit: int) -> list[Conflict]:
        return [conflict_of(found) for found in await self.records.find(Refused, limit=limit)]

    @property
    def _minutes(self) -> Collection:
        return self._mongo.collection(MINUTES)


def _damaged(series: str, err: Exception) -> TierRejectedError:
    return TierRejectedError(
        f"A minute of {series} in MongoDB is damaged, what it adds up to cannot be read: {err!r}."
    )


def _date(minute: int) -> DatetimeMS:
    return DatetimeMS(minute * MINUTE_MS)


def _between(start: int, end: int) -> dict[str, DatetimeMS]:
    """The documents that hold samples with `start <= t < end` (ms)."""
    return {"$gte": DatetimeMS(start - start % MINUTE_MS), "$lt": DatetimeMS(end)}
