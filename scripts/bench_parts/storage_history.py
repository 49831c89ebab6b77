"""Charts of 1,000 points while the archive around them grows ten-fold: embedded, and real stores.

Eight series; the newest hours of the first are rows in hot and warm. The places asked about lie
in what was there from the start.
"""

import random
import time
from itertools import islice
from typing import TYPE_CHECKING, Final

from storage_bridge.model import HOUR_MS
from storage_bridge.reader import Reader
from storage_bridge.tiers import Tiers, embedded
from storage_bridge.tiers.cassandra_cold import CassandraCold
from storage_bridge.tiers.cassandra_settings import CassandraSettings
from storage_bridge.tiers.mongo_client import Mongo
from storage_bridge.tiers.mongo_settings import MongoSettings
from storage_bridge.tiers.mongo_warm import MongoWarm
from storage_bridge.tiers.redis_hot import RedisHot
from storage_bridge.tiers.redis_settings import RedisSettings
from storage_bridge.tiers.sqlite_cold import SqliteCold
from tests.storage_bridge.generated import archive, probe_hour

from .table import percentile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from storage_bridge.codec import Chunk
    from tests.storage_bridge.faults.stores import Stores

DAY_MS: Final = 24 * HOUR_MS
SMALL_DAYS: Final = 36
GROWTH: Final = 10
SERIES: Final = [f"chart/temperature_{n}" for n in range(8)]
FRESH_HOURS: Final = 3
POINTS: Final = 1000
ROUNDS: Final = 20
LENGTHS: Final = {"hour": HOUR_MS, "day": DAY_MS, "month": 30 * DAY_MS, "year": 360 * DAY_MS}

type Charts = dict[str, tuple[float, float]]


async def growth(stores: Stores, folder: Path, now_ms: int) -> dict[str, tuple[Charts, Charts]]:
    """`{where: (p50 and p95 in ms by question, the same with ten times as much)}`."""
    end = now_ms // HOUR_MS * HOUR_MS
    real = Tiers(
        hot=RedisHot(RedisSettings(url=stores.redis.url, prefix="chart")),
        warm=MongoWarm(Mongo(MongoSettings(url=stores.mongo.url, database="chart"))),
        cold=CassandraCold(
            CassandraSettings(
                hosts=stores.cassandra.address.hosts, port=stores.cassandra.port, keyspace="chart",
                replication={"SimpleStrategy": 1},
            )
        ),
    )  # fmt: skip
    found = {}
    for where, tiers in (("embedded", embedded(folder / "chart.db")), ("real stores", real)):
        await tiers.open()
        try:
            fresh = end - FRESH_HOURS * HOUR_MS
            for hour in range(fresh, end, HOUR_MS):
                rows = probe_hour(hour, series=SERIES[0])
                await tiers.warm.write(rows)
                if not tiers.hot.shares_rows:
                    await tiers.hot.write(rows)
            await _load(tiers, fresh - SMALL_DAYS * DAY_MS, fresh)
            small = await _ask(tiers, end, ("hour", "day", "month"))
            older = fresh - SMALL_DAYS * DAY_MS
            await _load(tiers, fresh - SMALL_DAYS * GROWTH * DAY_MS, older)
            found[where] = (small, await _ask(tiers, end, tuple(LENGTHS)))
        finally:
            await tiers.close()
    return found


async def _load(tiers: Tiers, start: int, end: int) -> None:
    cold = tiers.cold
    assert isinstance(cold, SqliteCold | CassandraCold)
    for series in SERIES:
        chunks: Iterator[Chunk] = archive(series, start, (end - start) // HOUR_MS)
        while some := list(islice(chunks, 500)):
            await cold.write_chunks(some)


async def _ask(tiers: Tiers, end: int, lengths: tuple[str, ...]) -> Charts:
    reader = Reader(*tiers)
    dice = random.Random(7)  # noqa: S311 - where to look
    found: Charts = {}
    for name in lengths:
        for count in (1, 8):
            seen = []
            for _ in range(ROUNDS if count == 1 else ROUNDS // 2):
                slack = max(HOUR_MS, SMALL_DAYS * DAY_MS - LENGTHS[name])
                stop = end - dice.randrange(slack)
                began = time.perf_counter()
                chart = await reader.history(SERIES[:count], stop - LENGTHS[name], stop, POINTS)
                seen.append((time.perf_counter() - began) * 1000)
                if chart["partial"] or not all(
                    10 < len(p) <= POINTS for p in chart["series"].values()
                ):
                    raise RuntimeError(f"a chart of a {name} is not whole: {str(chart)[:300]}")
            found[f"{name}, {count} series"] = (percentile(seen, 50), percentile(seen, 95))
    return found
