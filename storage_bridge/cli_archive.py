"""`smart-beer-bridge archive`: move old hours to the cold tier now, as fast as it goes."""

import argparse
import asyncio
import sys
import time

from .cli_progress import Progress
from .config import load
from .keeper import DAY_MS
from .mover import SETTLE_S, Moved, Mover, PassResult
from .records.archive import RecordArchiver
from .records.model import KINDS
from .stored import open_store
from .tiers import Tiers

_HOURS_PER_PASS = 5000
_RECORDS_PER_PASS = 5000


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe `archive`."""
    parser = commands.add_parser(
        "archive", help="move what the warm tier need not keep any longer to the cold one"
    )
    parser.add_argument(
        "--now", action="store_true", help="do it; without this, only say what there is to do"
    )
    parser.add_argument(
        "--older-than",
        type=_days,
        metavar="DAYS",
        help="default: as long as the configuration keeps samples in the warm tier",
    )
    parser.add_argument(
        "--settle",
        type=_seconds,
        default=SETTLE_S,
        metavar="SECONDS",
        help="how long cold must have kept an hour before warm lets go of it: longer than cold "
        "takes to put on its disk what it said yes to (default: %(default)g)",
    )
    parser.set_defaults(command=lambda options: asyncio.run(_archive(options)))


async def _archive(options: argparse.Namespace) -> int:
    config = load(options.config)
    days = config.tiers.warm_days if options.older_than is None else options.older_than
    now = time.time_ns() // 1_000_000
    async with open_store(config) as tiers:
        if not options.now:
            due = await tiers.warm.hours_before(max(0, now - days * DAY_MS), _HOURS_PER_PASS)
            more = "at least " if len(due) == _HOURS_PER_PASS else ""
            print(f"{more}{len(due)} hours are older than {days} days; --now moves them")
            print(f"{await _records_due(tiers)} records are not in the archive; --now copies them")
            return 0
        moved, failed = await archive_all(tiers, days, now, options.settle)
        try:
            copied, refused = await archive_records(tiers, options.settle)
        finally:
            await tiers.warm.records.close()
    for sentence in (*failed, *refused):
        print(sentence, file=sys.stderr)
    print(f"{moved.copied} hours copied, {moved.deleted} samples moved, {len(failed)} hours failed")
    print(f"{copied} records copied, {len(refused)} records failed")
    return 1 if failed or refused else 0


async def archive_all(
    tiers: Tiers, days: int, now_ms: int, settle_s: float
) -> tuple[Moved, tuple[str, ...]]:
    """Move every hour older than `days`; what was done, and a sentence for each that was not.

    Safe beside a running bridge. Raises TierUnavailableError when a store goes away: what has been
    moved until then stays moved.
    """
    with Progress("moved") as progress:
        mover = Mover(
            tiers.warm,
            tiers.cold,
            keep_ms=days * DAY_MS,
            settle_s=settle_s,
            hours_per_pass=_HOURS_PER_PASS,
            progress=lambda moved: progress.show(moved.done, moved.due, moved.deleted, "hours"),
        )
        while True:
            result = await mover.run_pass(now_ms)
            if result.waiting:
                await asyncio.sleep(settle_s)
            elif not _went_on(result):
                return mover.moved, result.failed


async def archive_records(tiers: Tiers, settle_s: float) -> tuple[int, tuple[str, ...]]:
    """Copy every record that is new or has changed; how many, and a sentence for each that failed.

    Safe beside a running bridge. Raises TierUnavailableError when a store goes away.
    """
    archiver = RecordArchiver(
        tiers.warm.records,
        tiers.cold.records,
        settle_s=settle_s,
        per_pass=_RECORDS_PER_PASS,
    )
    copied, failed = 0, dict[str, None]()
    while True:
        first = second = await archiver.run_pass()
        copied += first.copied
        if first.waiting:
            print(
                f"{first.waiting} records are looked at once more in {settle_s:g} s",
                file=sys.stderr,
            )
            await asyncio.sleep(settle_s)
            second = await archiver.run_pass()
            copied += second.copied
        failed |= dict.fromkeys((*first.failed, *second.failed))
        # What has come since the first look is for the next time: a brewery is never quiet.
        if not first.more or not second.archived:
            return copied, tuple(failed)


async def _records_due(tiers: Tiers) -> str:
    seal = await tiers.cold.records.seal()
    due = [
        len(await tiers.warm.records.unarchived(kind, seal, _RECORDS_PER_PASS)) for kind in KINDS
    ]
    more = "at least " if _RECORDS_PER_PASS in due else ""
    return f"{more}{sum(due)}"


def _went_on(result: PassResult) -> bool:
    return result.copied > 0 or result.deleted > 0 or result.more


def _days(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) > 36_500:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days from 0 to 36500")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 to 3600")
    return seconds
