"""What is lost of a stream while MongoDB is away for a minute, with a clock that goes faster."""

import asyncio
import time
from contextlib import closing
from typing import TYPE_CHECKING, Final

import orjson

from storage_bridge.backoff import Backoff
from storage_bridge.feeder import RETRY, Feeder, WarmSink
from storage_bridge.model import Sample
from storage_bridge.outbox import Outbox
from storage_bridge.outbox_batch import parse_message
from storage_bridge.tiers.base import TierError
from storage_bridge.tiers.mongo_client import Mongo
from storage_bridge.tiers.mongo_settings import MongoSettings
from storage_bridge.tiers.mongo_warm import MongoWarm

from .storage_peers import PEERS, Seed, Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.storage_bridge.faults.stores import Stores

PACE: Final = 15.0
SERIES: Final = 12  # a kettle
BEFORE_S, AWAY_S, AFTER_S = 15, 60, 60
T0: Final = 1_790_000_000_000


async def outage(stores: Stores, folder: Path) -> dict[str, tuple[int, int]]:
    """`{who: (events sent, events that the store lacks in the end)}`."""
    found: dict[str, tuple[int, int]] = {}
    for make in PEERS:
        with closing(Store(stores, f"outage_{len(found)}", PACE, at_once=make is Seed)) as store:
            peer = await asyncio.to_thread(make, store, PACE)
            sent = await _minutes(
                stores,
                lambda rows, peer=peer: [peer.take(row) for row in rows],  # type: ignore[misc]
            )
            await asyncio.to_thread(peer.finish)
            stored = await asyncio.to_thread(store.points.count_documents, {})
            found[peer.name] = (sent, sent - stored)
    found["ours"] = await _ours(stores, folder)
    return found


async def _ours(stores: Stores, folder: Path) -> tuple[int, int]:
    warm = MongoWarm(
        Mongo(MongoSettings(url=stores.mongo.url, database="outage", timeout_s=20 / PACE))
    )
    outbox = Outbox(folder / "outage.db", max_bytes=1 << 30, sinks=("warm",))
    await warm.open()
    retry = Backoff(base=RETRY.base / PACE, cap=RETRY.cap / PACE)
    feeder = Feeder(WarmSink(warm), outbox, retry=retry, linger=30 / PACE)
    feeding = asyncio.create_task(feeder.run())
    commits: set[asyncio.Task[bool]] = set()
    seq = 0

    def take(rows: list[Sample]) -> None:
        nonlocal seq
        event = {
            "node_id": "n", "spool_id": "s", "series": [row.series for row in rows],
            "batches": [], "next": seq + len(rows), "gap": None, "holes": [],
            "samples": [
                [seq + n + 1, row.t, n, row.value, "ok", None] for n, row in enumerate(rows)
            ],
        }  # fmt: skip
        seq += len(rows)
        blob = orjson.dumps({"id": 1, "type": "event", "event": event})
        commits.add(asyncio.create_task(outbox.append(parse_message(blob), blob, live=True)))

    try:
        sent = await _minutes(stores, take, blocking=False)
        await asyncio.gather(*commits)
        async with asyncio.timeout(60):
            while not feeder.idle:
                await asyncio.sleep(0.05)
            while True:
                try:
                    return sent, sent - await warm.count()
                except TierError:
                    await asyncio.sleep(0.2)
    finally:
        feeding.cancel()
        await outbox.close()
        await warm.close()


async def _minutes(
    stores: Stores, take: Callable[[list[Sample]], object], *, blocking: bool = True
) -> int:
    """A stream of 1 Hz, in whose midst the store is killed and started again; events sent."""
    sent = 0
    killed = started = False
    starting: asyncio.Task[None] | None = None
    began = time.monotonic()
    for second in range(BEFORE_S + AWAY_S + AFTER_S):
        if second >= BEFORE_S and not killed:
            killed = True
            await asyncio.to_thread(stores.kill, "mongo")
        if second >= BEFORE_S + AWAY_S and not started:
            started = True
            starting = asyncio.create_task(asyncio.to_thread(stores.start, "mongo"))
        rows = [
            Sample(f"n/t{n}", T0 + second * 1000, 20 + second / 16, "ok", None)
            for n in range(SERIES)
        ]
        if blocking:
            await asyncio.to_thread(take, rows)
        else:
            take(rows)
        sent += len(rows)
        await asyncio.sleep(max(0.0, began + (second + 1) / PACE - time.monotonic()))
    if starting is not None:
        await starting
    return sent
