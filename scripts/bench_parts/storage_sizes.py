"""Bytes a sample in Redis, MongoDB and Cassandra, of recorded and of simulated readings."""

import asyncio
from itertools import batched, groupby
from typing import TYPE_CHECKING, Final

import redis
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from storage_bridge.codec import encode
from storage_bridge.model import HOUR_MS, MINUTE_MS, Sample
from storage_bridge.tiers.cassandra_cold import CassandraCold
from storage_bridge.tiers.cassandra_settings import CassandraSettings
from storage_bridge.tiers.mongo_client import Mongo
from storage_bridge.tiers.mongo_settings import MongoSettings
from storage_bridge.tiers.mongo_warm import MongoWarm
from storage_bridge.tiers.redis_hot import RedisHot
from storage_bridge.tiers.redis_settings import RedisSettings

from .stored_size import readings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.storage_bridge.faults.stores import Stores

_ROW_HOURS: Final = (4, 1)  # of the log and of the kettle
_COLD_HOURS: Final = (18, 8)  # in Cassandra, where a table of little is mostly its own files


async def sizes(stores: Stores, now_ms: int) -> dict[str, dict[str, float]]:
    """`{what: {redis, mongo, blob, cassandra}}`; MongoDB's is BSON before compression.

    `blob` is the encoded hours alone, `cassandra` what lies on its disk for them, both tables.
    """
    found = {}
    archived = readings(*_COLD_HOURS)
    for number, (what, rows) in enumerate(readings(*_ROW_HOURS).items()):
        name = f"size_{number}"
        # Of today, or Redis would let them go at once.
        shift = (now_ms // HOUR_MS - 12) * HOUR_MS - rows[0].t
        moved = [row._replace(t=row.t + shift) for row in rows]
        found[what] = {
            "redis": await _in_redis(stores, name, moved),
            "mongo": await _in_mongo(stores, name, moved),
            **await _in_cassandra(stores, name, archived[what]),
        }
    await asyncio.to_thread(stores.kill, "cassandra")  # a start writes its log to the tables
    await asyncio.to_thread(stores.start, "cassandra")
    for number, what in enumerate(found):
        count = found[what].pop("samples")
        folder = stores.cassandra.folder / "data" / "data" / f"size_{number}"
        found[what]["cassandra"] = await asyncio.to_thread(_bytes, folder) / count
    return found


async def _in_redis(stores: Stores, name: str, rows: list[Sample]) -> float:
    hot = RedisHot(RedisSettings(url=stores.redis.url, prefix=name))
    await hot.open()
    try:
        for some in batched(sorted(rows, key=lambda row: row.t), 10_000, strict=False):
            await hot.write(some)
    finally:
        await hot.close()
    return await asyncio.to_thread(_memory, stores, name) / len(rows)


def _memory(stores: Stores, name: str) -> int:
    with redis.Redis.from_url(stores.redis.url) as client:
        keys = list(client.scan_iter(f"{name}:*", count=1000))
        return sum(int(client.memory_usage(key, samples=0) or 0) for key in keys)


async def _in_mongo(stores: Stores, name: str, rows: list[Sample]) -> float:
    warm = MongoWarm(Mongo(MongoSettings(url=stores.mongo.url, database=name)))
    await warm.open()
    try:
        by_minute = sorted(rows, key=lambda row: (row.t // MINUTE_MS, row.series, row.t))
        for some in batched(by_minute, 20_000, strict=False):
            await warm.write(some)
    finally:
        await warm.close()

    def total() -> int:
        with MongoClient[RawBSONDocument](
            stores.mongo.url, document_class=RawBSONDocument
        ) as client:
            return sum(len(document.raw) for document in client[name].minutes.find())

    return await asyncio.to_thread(total) / len(rows)


async def _in_cassandra(stores: Stores, name: str, rows: list[Sample]) -> dict[str, float]:
    cold = CassandraCold(
        CassandraSettings(
            hosts=stores.cassandra.address.hosts, port=stores.cassandra.port, keyspace=name,
            replication={"SimpleStrategy": 1},
        )
    )  # fmt: skip
    await cold.open()
    rows = sorted(rows, key=lambda row: (row.series, row.t))
    try:
        hours = groupby(rows, lambda row: (row.series, row.t // HOUR_MS))
        chunks = [encode(list(hour)) for _, hour in hours]
        await cold.write_chunks(chunks)
    finally:
        await cold.close()
    blobs = sum(len(chunk.data) for chunk in chunks)
    return {"blob": blobs / len(rows), "samples": len(rows)}


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
