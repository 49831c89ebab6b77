"""From the outbox into hot and warm, and from warm to cold, beside the bare drivers.

The bare driver does the same to the store, in writes of the same size, with everything ready made:
a hash of a minute in Redis, a document of a minute in MongoDB (as `storage_bridge` makes it, what a
minute adds up to in it), an encoded hour in Cassandra. What is left is its own work.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import batched, groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bson.datetime_ms import DatetimeMS
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import DeleteOne, InsertOne, MongoClient, UpdateOne
from pymongo.write_concern import WriteConcern
from redis.asyncio import Redis

from storage_bridge.codec import Chunk, encode
from storage_bridge.feeder import Feeder, HotSink, WarmSink
from storage_bridge.model import HOUR_MS, MINUTE_MS, Sample
from storage_bridge.mover import Mover
from storage_bridge.outbox import READ_SAMPLES, Outbox
from storage_bridge.tiers import cassandra_schema
from storage_bridge.tiers.cassandra_cold import CassandraCold
from storage_bridge.tiers.cassandra_settings import CassandraSettings
from storage_bridge.tiers.mongo_client import Mongo
from storage_bridge.tiers.mongo_documents import document_of, parts_of, update_of
from storage_bridge.tiers.mongo_settings import MongoSettings
from storage_bridge.tiers.mongo_warm import BULK, MongoWarm
from storage_bridge.tiers.redis_hot import RedisHot
from storage_bridge.tiers.redis_settings import RedisSettings
from tests.storage_bridge.generated import probe_hour
from tests.storage_bridge.tiers.cassandra_help import plain_session

from .storage_data import Message, rows_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Sequence
    from pathlib import Path

    from storage_bridge.feeder import Sink
    from storage_bridge.tiers.base import Tier
    from tests.storage_bridge.faults.stores import Stores

MINUTES_AT_ONCE: Final = 100_000  # as the bridge feeds MongoDB
AT_ONCE: Final = 4  # hours that are moved side by side
KEYSPACE: Final = "bench"  # one for all rounds: a test's server has little memory for tables
HOURS: Final = 4
SERIES: Final = 4
DURABLE: Final = WriteConcern("majority", j=True)


class Cost(NamedTuple):
    """A rate, and the CPU of this process for a sample (µs; the servers' is not in it)."""

    samples: int
    seconds: float
    cpu_s: float

    @property
    def rate(self) -> float:
        """Samples a second."""
        return self.samples / self.seconds

    @property
    def cpu_us(self) -> float:
        """CPU a sample."""
        return self.cpu_s / self.samples * 1e6


async def timed(samples: int, work: Awaitable[object]) -> Cost:
    """What it took."""
    cpu, began = time.process_time(), time.perf_counter()
    await work
    return Cost(samples, time.perf_counter() - began, time.process_time() - cpu)


async def into_hot(stores: Stores, folder: Path, messages: list[Message]) -> tuple[Cost, Cost]:
    """Ours from the outbox into Redis; the bare driver."""
    hot = RedisHot(RedisSettings(url=stores.redis.url, prefix="bench"))
    ours = await _fed(hot, HotSink(hot), folder / "hot.db", messages, READ_SAMPLES)
    pipelines = [
        _hashes(rows_of(group)) for group in batched(messages, READ_SAMPLES // 1000, strict=False)
    ]
    client = Redis.from_url(stores.redis.url)

    async def bare() -> None:
        for commands in pipelines:
            async with client.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                await pipeline.execute()

    try:
        return ours, await timed(ours.samples, bare())
    finally:
        await client.aclose()


async def into_warm(stores: Stores, folder: Path, messages: list[Message]) -> tuple[Cost, Cost]:
    """Ours from the outbox into MongoDB; the bare driver, which is motor as ours is."""
    warm = MongoWarm(Mongo(MongoSettings(url=stores.mongo.url, database="bench")))
    ours = await _fed(warm, WarmSink(warm), folder / "warm.db", messages, MINUTES_AT_ONCE)
    client: Any = AsyncIOMotorClient(stores.mongo.url)
    minutes = client.bare.get_collection("minutes", write_concern=DURABLE)
    await minutes.create_index([("s", 1), ("m", 1)])
    await minutes.create_index([("m", 1), ("s", 1)])
    rows = rows_of(messages)
    made: set[str] = set()
    groups = [_documents(some, made) for some in batched(rows, MINUTES_AT_ONCE, strict=False)]

    async def bare() -> None:
        for group in groups:
            for operations in batched(group, BULK, strict=False):
                await minutes.bulk_write(list(operations), ordered=False)

    try:
        return ours, await timed(len(rows), bare())
    finally:
        client.close()


async def into_cold(stores: Stores, number: int) -> tuple[Cost, Cost]:
    """Ours from MongoDB to Cassandra, both looks and the deletion in it; the bare drivers.

    Those do the same with the stores and nothing besides: they read the documents of an hour, write
    its two rows, read chunk and head back twice and delete the documents, each as it was read (a
    deletion of whatever is there now would lose late data), four hours side by side. `number` is
    another one each time: what is in the archive already is not moved again.
    """
    first = 1_700_000_000_000 // HOUR_MS * HOUR_MS
    rows = [
        row
        for series in range(SERIES)
        for hour in range(HOURS)
        for row in probe_hour(first + hour * HOUR_MS, hour, series=f"bench_{number}/moved_{series}")
    ]
    warm = MongoWarm(Mongo(MongoSettings(url=stores.mongo.url, database="moved")))
    cold = CassandraCold(
        CassandraSettings(
            hosts=stores.cassandra.address.hosts, port=stores.cassandra.port, keyspace=KEYSPACE,
            replication={"SimpleStrategy": 1},
        )
    )  # fmt: skip
    await warm.open()
    await cold.open()
    try:
        for some in batched(rows, 20_000, strict=False):
            await warm.write(some)
        mover = Mover(warm, cold, keep_ms=0, settle_s=0.0)

        async def move() -> None:
            while mover.moved.deleted < len(rows):
                done = await mover.run_pass(first + HOURS * HOUR_MS)
                if done.failed or not done.copied + done.deleted:
                    raise RuntimeError(f"the archive does not go on: {done}")

        ours = await timed(len(rows), move())
        for some in batched(rows, 20_000, strict=False):
            await warm.write(some)
    finally:
        await cold.close()
        await warm.close()
    bare = await timed(len(rows), asyncio.to_thread(_bare_move, stores, rows))
    return ours, bare


def _bare_move(stores: Stores, rows: list[Sample]) -> None:
    chunks = [
        encode(list(hour)) for _, hour in groupby(rows, lambda row: (row.series, row.t // HOUR_MS))
    ]
    texts = {
        name: cassandra_schema.filled(cassandra_schema.STATEMENTS[name].text, KEYSPACE)
        for name in ("write chunk", "write head", "chunks", "heads")
    }
    with (
        plain_session(stores.cassandra.address) as session,
        MongoClient[dict[str, Any]](stores.mongo.url) as client,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        minutes = client.moved.get_collection("minutes", write_concern=DURABLE)
        ready = {name: session.prepare(text) for name, text in texts.items()}

        def move(chunk: Chunk) -> None:
            head = chunk.head
            end = datetime.fromtimestamp((head.hour + HOUR_MS) / 1000, UTC)
            start = datetime.fromtimestamp(head.hour / 1000, UTC)
            month = start.year * 100 + start.month
            query = {"s": head.series, "m": {"$gte": start, "$lt": end}}
            list(minutes.find(query))
            both = [
                session.execute_async(
                    ready["write chunk"],
                    (head.series, month, head.hour, head.gen, *head[3:], chunk.data, 0),
                ),
                session.execute_async(
                    ready["write head"], (head.series, head.hour, head.gen, *head[3:], 0)
                ),
            ]
            for future in both:
                future.result()
            hour = (head.hour, head.hour + HOUR_MS)
            for _ in range(2):
                back = [
                    session.execute_async(ready["chunks"], (head.series, month, *hour)),
                    session.execute_async(ready["heads"], (head.series, *hour)),
                ]
                for future in back:
                    future.result()
            found = list(minutes.find(query))
            minutes.bulk_write(
                [DeleteOne({key: each.get(key) for key in ("_id", "b", "v")}) for each in found],
                ordered=False,
            )

        list(pool.map(move, chunks))


async def _fed(tier: Tier, sink: Sink, path: Path, messages: list[Message], at_once: int) -> Cost:
    outbox = Outbox(path, max_bytes=1 << 30, sinks=(sink.name,))
    await tier.open()
    feeding: asyncio.Task[None] | None = None
    try:
        for some in batched(messages, 50, strict=False):
            await asyncio.gather(*(outbox.append(m.batch, m.blob, live=False) for m in some))
        feeder = Feeder(sink, outbox, at_once=at_once)

        async def feed() -> None:
            while not feeder.idle:
                await asyncio.sleep(0.005)

        feeding = asyncio.create_task(feeder.run())
        return await timed(sum(len(m.batch.samples) for m in messages), feed())
    finally:
        if feeding is not None:
            feeding.cancel()
        await outbox.close()
        await tier.close()


def _hashes(rows: Iterable[Sample]) -> list[tuple[str | int, ...]]:
    minutes: dict[str, list[str | int]] = {}
    for row in rows:
        node, _, channel = row.series.partition("/")
        key = f"bare:{node}:{row.t // MINUTE_MS}"
        minutes.setdefault(key, []).extend((f"{channel}:{row.t % MINUTE_MS}", repr(row.value)))
    end = int(time.time()) + 3 * 86_400
    return [
        command
        for key, parts in minutes.items()
        for command in (("HSET", key, *parts), ("EXPIREAT", key, end))
    ]


def _documents(rows: Sequence[Sample], made: set[str]) -> list[InsertOne[Any] | UpdateOne]:
    """Minutes to be made, and what adds to those that were `made` before, as ours are."""
    found: list[InsertOne[Any] | UpdateOne] = []
    for part in parts_of(rows):
        date = DatetimeMS(part.minute * MINUTE_MS)
        if part.key in made:
            found.append(UpdateOne({"_id": part.key}, update_of(part, date), upsert=True))
        else:
            found.append(InsertOne(document_of(part, date)))
        made.add(part.key)
    return found
