"""Looks after the tiers: opens them, asks whether they answer, archives what is old."""

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from .mover import SETTLE_S, Mover, PassResult
from .records.archive import RecordArchiver, RecordsPass
from .tiers.base import Tier, TierError, Tiers

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

LOGGER = logging.getLogger(__name__)

DAY_MS: Final = 86_400_000
OPEN_EVERY_S: Final = 5.0
ANSWER_S: Final = 10.0  # a tier that takes longer to say that it lacks a series does not answer
PASS_EVERY_S: Final = 3600.0
SETTLING_EVERY_S: Final = 120.0  # copied hours wait for the second look that lets them go
NO_SERIES: Final = "smart-beer/none"  # a name that no node has: a tier is asked for it

_NOTHING: Final = PassResult(0, 0, 0, 0, (), more=False)
_NO_RECORDS: Final = RecordsPass(0, 0, 0, (), more=False)


class Keeper:
    """`watch_tiers` and `archive` run for as long as the bridge does.

    It looks at no more than `hours_per_minute` hours of samples to archive, and at none while
    `elsewhere` says that another bridge does. `clock` gives UTC milliseconds.
    """

    def __init__(
        self,
        tiers: Tiers,
        *,
        hot_days: int,
        warm_days: int,
        hours_per_minute: float | None = None,
        elsewhere: Callable[[], bool] = lambda: False,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._tiers = tiers
        self._elsewhere = elsewhere
        self._hot_ms = hot_days * DAY_MS
        self._clock = clock
        self._mover = Mover(
            tiers.warm,
            tiers.cold,
            keep_ms=warm_days * DAY_MS,
            hours_per_minute=hours_per_minute,
        )
        self._archiver = RecordArchiver(tiers.warm.records, tiers.cold.records, settle_s=SETTLE_S)
        self._closed: dict[str, str | None] = {tier.role: None for tier in tiers}
        self._silent: dict[str, str] = {}
        self._opening_ended = asyncio.Event()
        self._returned = asyncio.Event()
        self.last_pass: dict[str, Any] | None = None

    def status(self) -> dict[str, Any]:
        """`closed`: by tier, why it cannot be used; `last_pass`: what the last archiving did.

        `moved`, `records`: what was archived since the start, how far the pass under way is, and
        how many records the last one left. `elsewhere`: another bridge archives.
        """
        return {
            "closed": self.closed,
            "last_pass": self.last_pass,
            "moved": self._mover.moved._asdict(),
            "elsewhere": self._elsewhere(),
            "records": self._archiver.archived._asdict(),
        }

    @property
    def closed(self) -> dict[str, str | None]:
        """By tier that is not open or does not answer: why, None while it was not tried yet."""
        return self._silent | self._closed

    @property
    def archive_problem(self) -> str | None:
        """What the last pass could not do, None when it could do everything."""
        if self.last_pass is None:
            return None
        return self.last_pass["error"] or next(iter(self.last_pass["failed"]), None)

    async def open_now(self) -> None:
        """Try every tier that is not open once, all at the same time."""
        tiers: tuple[Tier, ...] = tuple(self._tiers)
        await asyncio.gather(*(self._open(tier) for tier in tiers if tier.role in self._closed))
        self._opening_ended.set()

    async def _open(self, tier: Tier) -> None:
        try:
            await tier.open()
        except TierError as err:
            if self._closed.get(tier.role) != str(err):
                LOGGER.warning("The %s tier cannot be opened, trying on: %s", tier.role, err)
            self._closed[tier.role] = str(err)
        else:
            self._closed.pop(tier.role, None)
            self._returned.set()

    async def ask_now(self) -> None:
        """Ask every open tier something that costs nothing, all at the same time."""
        tiers: tuple[Tier, ...] = tuple(self._tiers)
        await asyncio.gather(*(self._ask(tier) for tier in tiers if tier.role not in self._closed))

    async def _ask(self, tier: Tier) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                await tier.span(NO_SERIES)
        except (TierError, TimeoutError) as err:
            text = str(err) or f"The {tier.role} tier did not answer within {ANSWER_S:g} s."
            if tier.role not in self._silent:
                LOGGER.warning("The %s tier does not answer: %s", tier.role, text)
            self._silent[tier.role] = text
        else:
            if self._silent.pop(tier.role, None) is not None:
                LOGGER.info("The %s tier answers again", tier.role)
                self._returned.set()

    async def watch_tiers(self) -> None:
        """Keep trying those that are not open, and asking those that are."""
        while True:
            await self.open_now()
            await self.ask_now()
            await asyncio.sleep(OPEN_EVERY_S)

    async def archive(self) -> None:
        """Expire hot, move old hours and archive new records, about once an hour."""
        await self._opening_ended.wait()  # a store that takes its time to open is not away
        while True:
            self._returned.clear()
            wait = await self.archive_once()
            if self.archive_problem is None:
                await asyncio.sleep(wait)
                continue
            # What could not be done is tried as soon as a tier is back.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._returned.wait()

    async def archive_once(self) -> float:
        """One pass; seconds until the next should follow.

        Each of its three works is done whatever became of the others: a cache that is away is no
        reason to archive nothing. `last_pass` says what could not be done.
        """
        now = self._clock()
        errors: list[str] = []
        expired = await _tried(errors, self._tiers.hot.expire(max(0, now - self._hot_ms)))
        result, records = _NOTHING, _NO_RECORDS
        # Archiving twice is no more than twice the work: it is done unless one knows better.
        if not (elsewhere := self._elsewhere()):
            result = await _tried(errors, self._mover.run_pass(now)) or _NOTHING
            records = await _tried(errors, self._archiver.run_pass()) or _NO_RECORDS
        self.last_pass = {
            "at": now,
            "error": " ".join(dict.fromkeys(errors)) or None,
            "expired": expired,
            **result._asdict(),
            "failed": [*result.failed, *records.failed],
            "records": records._asdict(),
        }
        for sentence in errors:
            LOGGER.warning("Archiving has to wait: %s", sentence)
        for sentence in result.failed:
            LOGGER.error("An hour could not be archived: %s", sentence)
        for sentence in records.failed:
            LOGGER.error("A record could not be archived: %s", sentence)
        if result.copied or result.deleted:
            LOGGER.info(
                "Archived: %d hours copied, %d samples moved", result.copied, result.deleted
            )
        if records.copied:
            LOGGER.info("Archived: %d records copied", records.copied)
        if result.more or (records.more and records.archived):
            return 1.0
        soon = errors or elsewhere or result.waiting or records.waiting
        return SETTLING_EVERY_S if soon else PASS_EVERY_S


async def _tried[T](errors: list[str], work: Coroutine[object, object, T]) -> T | None:
    """What work gives, or None and a sentence more among the errors."""
    try:
        return await work
    except TierError as err:
        errors.append(str(err))
        return None
