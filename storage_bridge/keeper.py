"""Looks after the tiers: opens what could not be opened, archives what is old, lets hot forget."""

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from .mover import Mover
from .tiers.base import Tier, TierError, Tiers

if TYPE_CHECKING:
    from collections.abc import Callable

LOGGER = logging.getLogger(__name__)

DAY_MS: Final = 86_400_000
OPEN_EVERY_S: Final = 5.0
PASS_EVERY_S: Final = 3600.0
SETTLING_EVERY_S: Final = 120.0  # copied hours wait for the second look that lets them go


class Keeper:
    """`open_tiers` and `archive` run for as long as the bridge does.

    It looks at no more than `hours_per_minute` hours of samples to archive. `clock` gives UTC
    milliseconds.
    """

    def __init__(
        self,
        tiers: Tiers,
        *,
        hot_days: int,
        warm_days: int,
        hours_per_minute: float | None = None,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._tiers = tiers
        self._hot_ms = hot_days * DAY_MS
        self._clock = clock
        self._mover = Mover(
            tiers.warm,
            tiers.cold,
            keep_ms=warm_days * DAY_MS,
            hours_per_minute=hours_per_minute,
        )
        self._closed: dict[str, str | None] = {tier.role: None for tier in tiers}
        self.last_pass: dict[str, Any] | None = None

    def status(self) -> dict[str, Any]:
        """`closed`: by tier, why it is not open; `last_pass`: what the last archiving did.

        `moved`: what was archived since the start, and how far the pass under way is.
        """
        return {
            "closed": dict(self._closed),
            "last_pass": self.last_pass,
            "moved": self._mover.moved._asdict(),
        }

    async def open_now(self) -> None:
        """Try every tier that is not open once, all at the same time."""
        tiers: tuple[Tier, ...] = tuple(self._tiers)
        await asyncio.gather(*(self._open(tier) for tier in tiers if tier.role in self._closed))

    async def _open(self, tier: Tier) -> None:
        try:
            await tier.open()
        except TierError as err:
            if self._closed.get(tier.role) != str(err):
                LOGGER.warning("The %s tier cannot be opened, trying on: %s", tier.role, err)
            self._closed[tier.role] = str(err)
        else:
            self._closed.pop(tier.role, None)

    async def open_tiers(self) -> None:
        """Keep trying those that are not open."""
        while True:
            await self.open_now()
            await asyncio.sleep(OPEN_EVERY_S)

    async def archive(self) -> None:
        """Expire hot and move old hours, about once an hour."""
        while True:
            wait = PASS_EVERY_S
            try:
                wait = await self.archive_once()
            except TierError as err:
                LOGGER.warning("Archiving has to wait: %s", err)
                self.last_pass = {"at": self._clock(), "error": str(err)}
                wait = SETTLING_EVERY_S
            await asyncio.sleep(wait)

    async def archive_once(self) -> float:
        """One pass; seconds until the next should follow. Raises TierError."""
        now = self._clock()
        expired = await self._tiers.hot.expire(max(0, now - self._hot_ms))
        result = await self._mover.run_pass(now)
        self.last_pass = {"at": now, "error": None, "expired": expired, **result._asdict()}
        for sentence in result.failed:
            LOGGER.error("An hour could not be archived: %s", sentence)
        if result.copied or result.deleted:
            LOGGER.info(
                "Archived: %d hours copied, %d samples moved", result.copied, result.deleted
            )
        if result.more:
            return 1.0
        return SETTLING_EVERY_S if result.waiting else PASS_EVERY_S
