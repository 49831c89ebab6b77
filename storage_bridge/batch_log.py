"""Batch records out of the samples that carry a batch: exact, also over restarts."""

import asyncio
import contextlib
import json
import logging
from typing import TYPE_CHECKING, Any, Final

from .backoff import Backoff
from .batch_changes import Change, changes
from .data_dir import write_private
from .kettles import Kettles, stand_in
from .model import MINUTE_MS
from .reader import MAX_LIMIT, Reader
from .records.merged import MergedRecords
from .records.model import Batch, BatchSeries, Record
from .tiers.base import TierError, TierUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .model import Sample
    from .records.base import Records
    from .tiers.base import Tiers

LOGGER = logging.getLogger(__name__)

RETRY: Final = Backoff(base=1.0, cap=60.0)
ASK_S: Final = 5.0  # how often it is looked whether the kettle of a series is known by now
_UNKNOWN: Final = "Home Assistant has not said yet which kettle some series belong to"


class BatchLog:
    """`note` is told of samples the store has, `run` makes records of what changes with them.

    What each series carries, and changes that are not yet records, are kept in the file `path`:
    they outlive this process, and a store that is away.
    """

    def __init__(
        self,
        path: Path,
        tiers: Tiers,
        kettles: Kettles,
        *,
        retry: Backoff = RETRY,
        ask_s: float = ASK_S,
    ) -> None:
        self._path = path
        self._tiers = tiers
        self._records = tiers.warm.records
        self._reader = Reader(*tiers)
        self._kettles = kettles
        self._retry = retry
        self._ask_s = ask_s
        self._carried, self._waiting = _load(path)
        self._asked: dict[str, int] = {}
        self._news = asyncio.Event()
        self._changing = asyncio.Lock()
        self.problem: str | None = None

    def status(self) -> dict[str, Any]:
        """`waiting`: changes that are not yet in the records; `problem`: why, if it is known."""
        return {"waiting": len(self._waiting), "problem": self.problem}

    async def note(self, samples: Sequence[Sample]) -> None:
        """Durably remember what changes with these samples; raises OSError and TierError.

        They are in the store. After a failure they are to be given again.
        """
        async with self._changing:
            if self._carried is None:
                self._carried = await self._open_series()
            carried = dict(self._carried)
            found = changes(carried, samples)
            if found:
                await self._keep(carried, [*self._waiting, *found])
                self._news.set()

    async def run(self) -> None:
        """Make records until cancelled."""
        attempt = 0
        while True:
            self._news.clear()
            try:
                await self._records.open()
                left = await self._write()
            except (TierError, OSError) as err:
                if self.problem is None:
                    LOGGER.warning("Batches cannot be recorded now, trying on: %s", err)
                self.problem = str(err)
                await asyncio.sleep(self._retry.wait(attempt))
                attempt += 1
                continue
            attempt, self.problem = 0, _UNKNOWN if left else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._ask_s if left else None):
                    await self._news.wait()

    async def _write(self) -> bool:
        """Make records of the changes there are; whether some wait for their kettle."""
        left: list[Change] = []
        due = self._waiting
        for change in due:
            kettle_id = self._kettle(change.series)
            if kettle_id is None:
                left.append(change)
            else:
                await self._records.put(
                    await records_of(change, kettle_id, self._records, self._reader)
                )
        if len(left) < len(due):
            async with self._changing:
                await self._keep(self._carried or {}, [*left, *self._waiting[len(due) :]])
        return bool(left)

    async def _open_series(self) -> dict[str, str]:
        """What the series carried, by the records: for a new data_dir on a store with batches."""
        await self._records.open()
        both = MergedRecords(self._tiers)
        found = await both.find(BatchSeries)
        for missing in both.partial:
            if missing["tier"] == "warm":
                raise TierUnavailableError(missing["error"])
            # Samples do not wait for an archive: at worst a batch that is over is shown without
            # its end.
            LOGGER.warning(
                "Batches that only the archive knows may have ended unseen: %s", missing["error"]
            )
        return {one.series: one.batch_id for one in found if one.last is None}

    async def _keep(self, carried: dict[str, str], waiting: list[Change]) -> None:
        await asyncio.to_thread(_save, self._path, carried, waiting)
        self._carried, self._waiting = carried, waiting

    def _kettle(self, series: str) -> str | None:
        """The kettle; the node itself for what a brewery that was asked does not know."""
        kettle_id = self._kettles.of(series)
        if kettle_id is not None:
            self._asked.pop(series, None)
            return kettle_id
        asked = self._asked.setdefault(series, self._kettles.answers)
        return stand_in(series) if self._kettles.answers > asked else None


async def records_of(
    change: Change, kettle_id: str, records: Records, reader: Reader
) -> list[Record]:
    """What a change says of a batch; times are those of samples that carry it.

    Raises TierUnavailableError when the stored samples cannot be read.
    """
    series, batch_id, t, began = change
    if began:
        return [
            BatchSeries(batch_id, series, kettle_id, t, None),
            Batch(batch_id, kettle_id, t, None, batch_id, "", 0),
        ]
    blank = BatchSeries(batch_id, series, kettle_id, 0, None)
    known = await records.get(BatchSeries, blank.key)
    first = 0 if known is None else known.first
    last = await last_with(batch_id, series, first, t, reader)
    if last is None:  # samples that came again, in front of the batch
        return []
    first = first if known is not None else last
    return [
        BatchSeries(batch_id, series, kettle_id, first, last),
        Batch(batch_id, kettle_id, first, last, batch_id, "", 0),
    ]


async def last_with(batch_id: str, series: str, start: int, end: int, reader: Reader) -> int | None:
    """The time of the newest stored sample in `start <= t < end` that carries the batch.

    Looks backwards in windows that double: mostly it is right before. Raises TierUnavailableError
    when a tier cannot be asked.
    """
    before, width = end, MINUTE_MS
    while before > start:
        after = max(start, before - width)
        last = None
        cursor: str | None = None
        while True:
            page = await reader.samples(series, after, before, MAX_LIMIT, cursor)
            if page.partial:
                raise TierUnavailableError(page.partial[0]["error"])
            last = max((row.t for row in page.samples if row.batch == batch_id), default=last)
            cursor = page.cursor
            if cursor is None:
                break
        if last is not None:
            return last
        before, width = after, width * 2
    return None


def _load(path: Path) -> tuple[dict[str, str] | None, list[Change]]:
    """What was kept; None where nothing is known."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None, []
    except ValueError as err:
        # Not worth to keep a bridge from starting: the records say the most of it.
        LOGGER.error("%s cannot be read and is made anew: %s", path, err)  # noqa: TRY400 - a sentence
        return None, []
    return found["carried"], [Change(*change) for change in found["waiting"]]


def _save(path: Path, carried: dict[str, str], waiting: list[Change]) -> None:
    write_private(path, json.dumps({"carried": carried, "waiting": waiting}))
