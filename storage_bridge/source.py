"""From Home Assistant's `smart_beer/samples` into the outbox, acknowledged after the commit."""

import asyncio
import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Protocol

import aiohttp

from .backoff import Backoff
from .ha_client import (
    CannotConnectError,
    CommandError,
    HomeAssistantClient,
    HomeAssistantClientError,
    InvalidTokenError,
    raise_for_result,
)
from .mirror_states import NODE_ID
from .outbox_batch import Batch, MalformedBatchError, parse_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from .outbox import Outbox

LOGGER = logging.getLogger(__name__)

RECONNECT: Final = Backoff(base=0.5, cap=30.0)
# A refused token needs a person; asking often would only trip Home Assistant's log-in ban.
REFUSED: Final = Backoff(base=60.0, cap=600.0)
STEADY_S: Final = 30.0  # a connection that lasted this long resets the backoff
MAX_CURSORS: Final = 1_000  # what Home Assistant takes; further nodes are read from the start
IN_FLIGHT: Final = 32  # twice what Home Assistant may send unacknowledged
CAUGHT_UP_MS: Final = 2_000  # a node's batch this young ends its catching up ...
FALLEN_BACK_MS: Final = 60_000  # ... until one is this old


class Token(Protocol):
    """Reads the token file; raises OSError. Read at each connection, so that it can be replaced."""

    def __call__(self) -> str:
        """The token."""
        ...


class Source:
    """Keeps one subscription to Home Assistant; `run` never returns by itself.

    `register` is what the bridge tells Home Assistant about itself: url, secret, version.
    `problem` is a sentence while there is no subscription, `alarm` one that a person must read.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        url: str,
        token: Token,
        register: dict[str, str],
        reconnect: Backoff = RECONNECT,
        refused: Backoff = REFUSED,
        heartbeat: float = 20.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._outbox = outbox
        self._url = url
        self._token = token
        self._register = register
        self._reconnect = reconnect
        self._refused = refused
        self._heartbeat = heartbeat
        self._now = now
        self.connected = False
        self.problem: str | None = "not connected yet"
        self.alarm: str | None = None
        self.counts: Counter[str] = Counter()

    def status(self) -> dict[str, Any]:
        """For people and machines."""
        return {
            "connected": self.connected,
            "problem": self.problem,
            "alarm": self.alarm,
            "counts": dict(self.counts),
        }

    async def run(self) -> None:
        """Connect, subscribe, take in; again after every failure."""
        failures = 0
        async with aiohttp.ClientSession() as session:
            while True:
                began = time.monotonic()
                try:
                    await self._subscription(session)
                except InvalidTokenError as err:
                    self._failed(err)
                    self.alarm = str(err)
                    wait = self._refused.wait(failures)
                except (HomeAssistantClientError, OSError) as err:
                    self._failed(err)
                    if time.monotonic() - began > STEADY_S:
                        failures = 0
                    wait = self._reconnect.wait(failures)
                finally:
                    self.connected = False
                failures += 1
                await asyncio.sleep(wait)

    def _failed(self, err: Exception) -> None:
        self.counts["failures"] += 1
        text = str(err)
        log = LOGGER.debug if text == self.problem else LOGGER.warning
        log("No samples from Home Assistant: %s", text)
        self.problem = text

    async def _subscription(self, session: aiohttp.ClientSession) -> None:
        token = await asyncio.to_thread(self._token)
        async with HomeAssistantClient(
            session, self._url, token, heartbeat=self._heartbeat
        ) as client:
            self.alarm = None
            await client.call("smart_beer/bridge/register", **self._register)
            resume = await self._outbox.resume()
            resume.pop(NODE_ID, None)  # what is mirrored comes from no node
            cursors = {node_id: list(at) for node_id, at in list(resume.items())[:MAX_CURSORS]}
            subscription, _ = await client.call("smart_beer/samples", cursors=cursors)
            self.connected = True
            self.problem = None
            self.counts["connections"] += 1
            LOGGER.info("Subscribed to the samples of Home Assistant at %s", self._url)
            await _Intake(self._outbox, client, subscription, self.counts, self._now).run()


class _Intake:
    """One subscription's messages, until its connection ends."""

    def __init__(
        self,
        outbox: Outbox,
        client: HomeAssistantClient,
        subscription: int,
        counts: Counter[str],
        now: Callable[[], float],
    ) -> None:
        self._outbox = outbox
        self._client = client
        self._subscription = subscription
        self._counts = counts
        self._now = now
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._live: set[str] = set()
        self._committing: asyncio.TaskGroup

    async def run(self) -> None:
        """Raises CannotConnectError when the connection ends, CommandError for a refused ack."""
        try:
            async with asyncio.TaskGroup() as self._committing:
                while True:
                    raw, message = await self._client.receive()
                    await self._handle(raw, message)
        except* HomeAssistantClientError as group:
            # One of them is reason enough; the others follow from it.
            raise CannotConnectError(str(group.exceptions[0])) from group

    async def _handle(self, raw: bytes, message: object) -> None:
        if not isinstance(message, dict):
            self._malformed("it is not a JSON object")
            return
        kind = message.get("type")
        if kind == "result":
            try:
                raise_for_result("smart_beer/samples/ack", message)
            except CommandError as err:
                if err.code != "not_found":
                    self._counts["refused_acks"] += 1
                    LOGGER.warning("%s", err)
                    return
                raise
        elif kind == "event" and message.get("id") == self._subscription:
            try:
                batch = parse_event(message.get("event"))
            except MalformedBatchError as err:
                # Not acknowledged: the node keeps it, and asks again after the next connection.
                self._malformed(str(err))
                return
            await self._slots.acquire()
            self._committing.create_task(self._commit(batch, raw))
        elif kind != "pong":
            self._malformed(f"its type is {str(kind)[:40]!r}")

    async def _commit(self, batch: Batch, raw: bytes) -> None:
        try:
            self._counts["batches"] += 1
            if batch.bad:
                self._counts["bad_records"] += len(batch.bad)
                LOGGER.warning(
                    "%d records of node %s are no samples and were set aside; the first: %s",
                    len(batch.bad),
                    batch.node_id,
                    batch.bad[0].reason,
                )
            await self._outbox.append(batch, raw, live=self._is_live(batch))
            await self._client.send(
                "smart_beer/samples/ack",
                subscription=self._subscription,
                node_id=batch.node_id,
                spool_id=batch.spool_id,
                seq=batch.next,
            )
        finally:
            self._slots.release()

    def _is_live(self, batch: Batch) -> bool:
        """Whether the batch came as its node took it, and not to catch up with an outage."""
        if not batch.samples:
            return False
        age = self._now() * 1000 - batch.newest_t
        if age < CAUGHT_UP_MS:
            self._live.add(batch.node_id)
        elif age > FALLEN_BACK_MS:
            self._live.discard(batch.node_id)
        return batch.node_id in self._live

    def _malformed(self, reason: str) -> None:
        self._counts["malformed"] += 1
        LOGGER.warning("A message of Home Assistant was not understood: %s", reason)
