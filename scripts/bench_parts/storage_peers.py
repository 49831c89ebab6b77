"""How others write the same readings into the same stores, and what they lose with a store away.

Each is the write path alone, faithful in how often it writes and in what it gives up:

`influxdb`  Home Assistant's core integration: a queue and a thread; up to 100 events to a write,
            a point an event, with what the integration puts into it: tags, and the attributes
            beside the value as fields; a write that fails is tried `max_retries` (0) times more,
            then its events are gone; events older than 30 s + 20 s a retry are dropped unwritten.
LTSS        long time state storage, a custom integration: a queue and a thread; a row an event,
            each in a transaction of its own; ten tries 3 s apart, then the event is gone.
seed        the system that this one grew from: each report is written to Redis (its newest) and to
            MongoDB (a document) as it comes, by who received it; what fails is logged and gone.
            Its driver is told not to wait for a server, or the next reports would wait as well.

All write to MongoDB as it is safe to (`w: majority, j: true`), which is what ours does.
"""

import queue
import threading
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

import redis
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from .storage_flow import DURABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from storage_bridge.model import Sample
    from tests.storage_bridge.faults.stores import Stores

type Document = dict[str, Any]

INFLUX_BATCH: Final = 100  # homeassistant/components/influxdb/const.py, 2026.11
INFLUX_BATCH_S: Final = 1.0
INFLUX_BACKLOG_S: Final = 30.0
LTSS_TRIES: Final = 10
LTSS_RETRY_S: Final = 3.0
SERVER_S: Final = 10.0  # how long a driver is told to look for its server


class Peer(Protocol):
    """One of them; `pace` is how many times faster than life its clock goes."""

    name: str
    lost: int

    def take(self, event: Sample) -> None:
        """An event, as it comes."""
        ...

    def finish(self) -> None:
        """Write what is still queued, and end."""
        ...


class Store:
    """Their MongoDB, and a Redis; `at_once`: its driver does not wait for a server."""

    def __init__(self, stores: Stores, name: str, pace: float, *, at_once: bool) -> None:
        wait = 5 if at_once else int(SERVER_S / pace * 1000)
        self.client = MongoClient[Document](
            stores.mongo.url, serverSelectionTimeoutMS=wait, connectTimeoutMS=wait
        )
        self.points = self.client.peers.get_collection(name, write_concern=DURABLE)
        self.redis = redis.Redis.from_url(stores.redis.url)

    def close(self) -> None:
        """Let go of both."""
        self.client.close()
        self.redis.close()


class Influx:
    """See above."""

    name = "influxdb"

    def __init__(self, store: Store, pace: float = 1.0) -> None:
        self._points = store.points
        self._pace = pace
        self._queue: queue.SimpleQueue[tuple[float, Sample] | None] = queue.SimpleQueue()
        self.lost = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def take(self, event: Sample) -> None:
        """Queue it."""
        self._queue.put((time.monotonic(), event))

    def finish(self) -> None:
        """End after what is queued."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        ended = False
        while not ended:
            points: list[Document] = []
            with suppress(queue.Empty):
                while len(points) < INFLUX_BATCH and not ended:
                    wait = INFLUX_BATCH_S / self._pace if points else None
                    item = self._queue.get(timeout=wait)
                    if item is None:
                        ended = True
                    elif time.monotonic() - item[0] < INFLUX_BACKLOG_S / self._pace:
                        points.append(_influx_point(item[1]))
                    else:
                        self.lost += 1
            if points:
                try:
                    self._points.insert_many(points)
                except PyMongoError:
                    self.lost += len(points)


class Ltss:
    """See above."""

    name = "LTSS"

    def __init__(self, store: Store, pace: float = 1.0) -> None:
        self._points = store.points
        self._pace = pace
        self._queue: queue.SimpleQueue[Sample | None] = queue.SimpleQueue()
        self.lost = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def take(self, event: Sample) -> None:
        """Queue it."""
        self._queue.put(event)

    def finish(self) -> None:
        """End after what is queued."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (event := self._queue.get()) is not None:
            for attempt in range(LTSS_TRIES):
                if attempt:
                    time.sleep(LTSS_RETRY_S / self._pace)
                with suppress(PyMongoError):
                    self._points.insert_one(_point(event))
                    break
            else:
                self.lost += 1


class Seed:
    """See above."""

    name = "seed"

    def __init__(self, store: Store, _pace: float = 1.0) -> None:
        self._store = store
        self.lost = 0

    def take(self, event: Sample) -> None:
        """Write it at once."""
        try:
            self._store.redis.set(f"seed:{event.series}", repr(event.value))
            self._store.points.insert_one(_point(event))
        except PyMongoError, redis.RedisError:
            self.lost += 1

    def finish(self) -> None:
        """Nothing is queued."""


PEERS: Final[tuple[Callable[[Store, float], Peer], ...]] = (Influx, Ltss, Seed)


def rate(stores: Stores, make: Callable[[Store, float], Peer], events: Iterable[Sample]) -> float:
    """Events a second that a peer writes when all of them are there at once."""
    with closing(Store(stores, "rate", 1.0, at_once=False)) as store:
        store.points.create_index([("s", 1), ("t", 1)])
        peer = make(store, 1.0)
        count = 0
        began = time.perf_counter()
        for event in events:
            peer.take(event)
            count += 1
        peer.finish()
        took = time.perf_counter() - began
    if peer.lost:
        raise RuntimeError(f"{peer.name} lost {peer.lost} events with every store there")
    return count / took


def _influx_point(event: Sample) -> Document:
    """As `event_to_json` of the integration makes it of a sensor's state, by its defaults."""
    node, _, channel = event.series.partition("/")
    return {
        "measurement": "°C",
        "tags": {"domain": "sensor", "entity_id": f"{node}_{channel}"},
        "time": event.t,
        "fields": {
            "value": event.value,
            "state_class_str": "measurement",
            "device_class_str": "temperature",
            "friendly_name_str": f"{node} {channel}",
        },
    }


def _point(event: Sample) -> Document:
    return {"s": event.series, "t": event.t, "v": event.value, "q": event.quality}
