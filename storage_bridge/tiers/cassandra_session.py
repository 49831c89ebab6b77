"""Cassandra from asyncio: connects in a thread, sends without blocking, comes back by itself."""

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import cassandra  # type: ignore[import-untyped]  # the exceptions; what takes seconds is in the link

from .base import TierRejectedError, TierUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .cassandra_link import Link, Rows
    from .cassandra_settings import CassandraSettings

LOGGER = logging.getLogger(__name__)

OPEN_S: Final = 60.0
CLOSE_S: Final = 30.0
# The driver finds nodes again by the addresses it knew; containers may return with others.
RENEW_S: Final = 60.0
_MARGIN_S: Final = 5.0
# A node that has not heard of a table yet, or anymore: no fault of what it was given.
_UNHEARD: Final = "does not exist"


class CassandraSession:
    """One cluster; raises TierUnavailableError, and TierRejectedError for what is refused."""

    def __init__(self, settings: CassandraSettings) -> None:
        self._settings = settings
        self._name = f"Cassandra at {', '.join(settings.hosts)}, port {settings.port}"
        self._link: Link | None = None
        self._opening: asyncio.Task[None] | None = None
        self._slots = asyncio.Semaphore(settings.in_flight)
        self._failing_since: float | None = None

    async def open(self) -> None:
        """Connect, make the tables and prepare the statements; idempotent, may be tried again."""
        if self._link is None:
            await self._connect()

    async def close(self) -> None:
        """Close all connections; idempotent."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
            self._opening = None
        link, self._link = self._link, None
        if link is not None:
            await self._shut(link)

    async def run(self, name: str, *parameters: object) -> Rows:
        """Run a prepared statement; its rows, of all pages."""
        (rows,) = await self.run_all((name, parameters))
        return rows

    async def run_all(self, *statements: tuple[str, Sequence[object]]) -> list[Rows]:
        """Run statements at once; raises when one of them failed, and others may have worked."""
        async with self._slots:
            link = self._link
            if link is None:
                raise TierUnavailableError(f"{self._name} is not connected.")
            try:
                found = await self._send(link, statements)
            except Exception as err:
                if isinstance(err, cassandra.InvalidRequest) and _UNHEARD not in str(err):
                    raise TierRejectedError(f"{self._name} refused a statement: {err}.") from err
                self._failed(link)
                raise TierUnavailableError(self._sentence(err)) from err
            self._failing_since = None
            return found

    async def _send(
        self, link: Link, statements: Sequence[tuple[str, Sequence[object]]]
    ) -> list[Rows]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Rows]] = loop.create_future()
        found: list[Rows] = [[] for _ in statements]
        awaited = list(statements)

        def settle(error: Exception | None) -> None:
            if answer.done():
                return
            if error is None:
                answer.set_result(found)
            else:
                answer.set_exception(error)

        # These two run in the driver's threads. A loop that has ended has nobody who waits.
        def failed(error: Exception) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, error)

        def done(place: int, rows: Rows) -> None:
            found[place] = rows
            awaited.pop()
            if not awaited and not loop.is_closed():
                loop.call_soon_threadsafe(settle, None)

        for place, (name, parameters) in enumerate(statements):
            link.send(name, parameters, partial(done, place), failed)
        # The driver's own limit comes first; this one holds should a callback ever be lost.
        async with asyncio.timeout(10 * self._settings.timeout_s + _MARGIN_S):
            return await answer

    async def _connect(self) -> None:
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._make())
        await asyncio.shield(self._opening)

    async def _make(self) -> None:
        making = asyncio.ensure_future(asyncio.to_thread(_link, self._settings))
        try:
            async with asyncio.timeout(OPEN_S):
                self._link = await asyncio.shield(making)
        except BaseException as err:
            # The thread cannot be stopped: what it still brings about is closed.
            making.add_done_callback(_drop)
            if isinstance(err, Exception):
                raise TierUnavailableError(self._sentence(err)) from err
            raise
        self._failing_since = None

    def _failed(self, link: Link) -> None:
        """Make a new session when this one has not worked for long, whatever the reason."""
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        renewing = self._opening is not None and not self._opening.done()
        if now - self._failing_since < RENEW_S or renewing or link is not self._link:
            return
        self._failing_since = now
        self._opening = asyncio.create_task(self._renew(link))

    async def _renew(self, old: Link) -> None:
        try:
            await self._make()
        except TierUnavailableError as err:
            LOGGER.debug("A new session cannot be made either: %s", err)
        else:
            LOGGER.info("A new session with %s has replaced one that no longer worked", self._name)
            await self._shut(old)

    async def _shut(self, link: Link) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                await asyncio.to_thread(link.close)
        except TimeoutError:
            LOGGER.warning("%s did not close its connections in %g s", self._name, CLOSE_S)

    def _sentence(self, err: Exception) -> str:
        hosts = getattr(err, "errors", None)
        text = str(err) or type(err).__name__
        if isinstance(hosts, dict) and hosts:
            text = "; ".join(f"{host}: {why}" for host, why in hosts.items())
        return f"{self._name} does not do it now: {text}."


def _link(settings: CassandraSettings) -> Link:
    from .cassandra_link import Link  # noqa: PLC0415 - takes seconds, so in this thread

    return Link(settings)


def _drop(making: asyncio.Future[Link]) -> None:
    if not making.cancelled() and making.exception() is None:
        link: Any = making.result()
        making.get_loop().run_in_executor(None, link.close)
