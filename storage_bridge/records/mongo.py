"""Records as documents: `{_id: key, at, subject, batch, d: {the record's fields}, cold}`.

`cold` is the seal of the archive that holds the document as it is now; without it none does.
"""

from typing import TYPE_CHECKING, Any, Final, Unpack, override

from pymongo import UpdateOne

from storage_bridge.tiers.base import TierUnavailableError
from storage_bridge.tiers.mongo_migrations import migrate

from .base import WarmRecords
from .model import KINDS, Record, merged
from .where import exactly, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storage_bridge.tiers.mongo_client import Collection, Mongo

    from .where import Where

_USER: Final = "records"
_ROUNDS: Final = 50


async def _first_step(mongo: Mongo) -> None:
    """Ways to find them: by time, by subject, by batch."""
    for kind in KINDS:
        collection = mongo.collection(kind.kind)
        await collection.index([("at", 1), ("_id", 1)])
        await collection.index([("subject", 1), ("at", 1), ("_id", 1)])
        await collection.index([("batch", 1), ("at", 1), ("_id", 1)])


async def _second_step(mongo: Mongo) -> None:
    """A way to find those that are not archived."""
    for kind in KINDS:
        await mongo.collection(kind.kind).index([("cold", 1)])


_STEPS: Final = (_first_step, _second_step)


class MongoRecords(WarmRecords):
    """A collection for each kind of record."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo

    @override
    async def open(self) -> None:
        await self._mongo.open(_USER)
        try:
            await migrate(self._mongo, _USER, _STEPS)
        except BaseException:
            await self.close()
            raise

    @override
    async def close(self) -> None:
        await self._mongo.close(_USER)

    @override
    async def put(self, records: Sequence[Record]) -> int:
        return await put(self._mongo, records)

    @override
    async def get[R: Record](self, kind: type[R], key: str) -> R | None:
        found = await self._mongo.collection(kind.kind).find({"_id": key}, ["d"])
        return kind.of(found[0]["d"]) if found else None

    @override
    async def find[R: Record](
        self, kind: type[R], *, limit: int = 1000, **where: Unpack[Where]
    ) -> list[R]:
        start, end = span(where)
        query = {"at": {"$gte": start, "$lt": end}, **exactly(where)}
        found = await self._mongo.collection(kind.kind).find(
            query, ["d"], sort=[("at", 1), ("_id", 1)], limit=limit
        )
        return [kind.of(document["d"]) for document in found]

    @override
    async def unarchived[R: Record](self, kind: type[R], seal: str, limit: int) -> list[R]:
        found = await self._mongo.collection(kind.kind).find(
            {"cold": {"$ne": seal}}, ["d"], limit=limit
        )
        return [kind.of(document["d"]) for document in found]

    @override
    async def set_archived(self, records: Sequence[Record], seal: str) -> int:
        count = 0
        for kind in KINDS:
            operations = [
                UpdateOne(_unchanged(record), {"$set": {"cold": seal}})
                for record in records
                if type(record) is kind
            ]
            count += (await self._mongo.collection(kind.kind).bulk(operations)).changed
        return count


async def put(mongo: Mongo, records: Sequence[Record]) -> int:
    """See `Records.put`; for the warm tier as well, whose conflicts are records."""
    new, each = 0, merged(records)
    for kind in KINDS:
        wanted = {record.key: record for record in each if type(record) is kind}
        if wanted:
            new += await _put(mongo.collection(kind.kind), kind, wanted)
    return new


async def _put(collection: Collection, kind: type[Record], wanted: dict[str, Record]) -> int:
    """Merge until everything wanted is part of what is there, whoever else writes meanwhile."""
    changed: set[str] = set()
    for _ in range(_ROUNDS):
        stored = {
            document["_id"]: document["d"]
            for document in await collection.find({"_id": {"$in": list(wanted)}}, ["d"])
        }
        operations: list[Any] = []
        for key, record in wanted.items():
            before = stored.get(key)
            if before is None:
                operations.append(
                    UpdateOne({"_id": key}, {"$setOnInsert": _document(record)}, upsert=True)
                )
                changed.add(key)
                continue
            known = kind.of(before)
            after = known.merge(record)
            if after != known:
                # Only if nobody changed it meanwhile; what a newer version added stays in it.
                change = {**_document(after), "d": {**before, **after.body()}}
                operations.append(
                    UpdateOne({"_id": key, "d": before}, {"$set": change, "$unset": {"cold": ""}})
                )
                changed.add(key)
        if not operations:
            return len(changed)
        await collection.bulk(operations)
    raise TierUnavailableError(
        f"Others changed the same {kind.kind} all the time; nothing is lost, it is tried again."
    )


def _document(record: Record) -> dict[str, Any]:
    return {
        "at": record.at,
        "subject": record.subject,
        "batch": record.batch,
        "d": record.body(),
    }


def _unchanged(record: Record) -> dict[str, Any]:
    """Finds it while it has this content; field by field, for a newer version may have added."""
    return {"_id": record.key} | {f"d.{name}": value for name, value in record.body().items()}
