"""A connection to Home Assistant beside that of the samples, which it never holds up."""

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

import aiohttp

from .backoff import Backoff
from .ha_client import HomeAssistantClient, HomeAssistantClientError, InvalidTokenError
from .source import RECONNECT, REFUSED, STEADY_S
from .tiers.base import TierError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .source import Token

type Working = Callable[[], None]
type Work = Callable[[HomeAssistantClient, Working], Awaitable[None]]

LOGGER = logging.getLogger(__name__)

HEARTBEAT_S: Final = 20.0


class HomeAssistantLink:
    """`run` does `work(client, working)` with a logged-in client, and again after every failure.

    `what` names it in the log; `problem` is a sentence until work calls `working()`.
    """

    def __init__(
        self,
        what: str,
        work: Work,
        *,
        url: str,
        token: Token,
        reconnect: Backoff = RECONNECT,
        refused: Backoff = REFUSED,
    ) -> None:
        self._what = what
        self._work = work
        self._url = url
        self._token = token
        self._reconnect = reconnect
        self._refused = refused
        self.problem: str | None = "not connected yet"

    async def run(self) -> None:
        """Connect and work until cancelled."""
        failures = 0
        async with aiohttp.ClientSession() as session:
            while True:
                began = time.monotonic()
                try:
                    token = await asyncio.to_thread(self._token)
                    async with HomeAssistantClient(
                        session, self._url, token, heartbeat=HEARTBEAT_S
                    ) as client:
                        await self._work(client, self._working)
                except InvalidTokenError as err:
                    wait = self._refused.wait(failures)
                    self._failed(err)
                except (HomeAssistantClientError, TierError, OSError) as err:
                    if time.monotonic() - began > STEADY_S:
                        failures = 0
                    wait = self._reconnect.wait(failures)
                    self._failed(err)
                else:
                    wait = self._reconnect.wait(failures)
                failures += 1
                await asyncio.sleep(wait)

    def _working(self) -> None:
        self.problem = None

    def _failed(self, err: Exception) -> None:
        text = str(err)
        log = LOGGER.debug if text == self.problem else LOGGER.warning
        log("No %s from Home Assistant: %s", self._what, text)
        self.problem = text
