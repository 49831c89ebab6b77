"""`smart-beer-bridge query`: stored samples for people."""

import argparse
import asyncio
import sys
import time
from datetime import UTC, datetime

from .config import BridgeConfig, load
from .outbox_offline import read_waiting
from .outbox_schema import OutboxError
from .reader import Reader
from .samples_csv import iso
from .stored import absent, open_store, pages
from .tiers import Tiers

DAY_MS = 86_400_000
ON_ITS_WAY_MS = 360_000  # the longest `flush_s`, and what Redis may take to settle


class UsageError(Exception):
    """The arguments make no sense; the text says why."""


def add_query(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe `query`."""
    parser = commands.add_parser("query", help="print stored samples of one series")
    parser.add_argument("--series", required=True, metavar="NODE/CHANNEL")
    parser.add_argument("--points", type=int, help="min, max and mean of this many buckets instead")
    add_range(parser)
    parser.set_defaults(command=lambda options: asyncio.run(_query(options)))


def parse_time(text: str) -> int:
    """UTC milliseconds of an integer or an ISO 8601 time, which counts as UTC without an offset."""
    if text.isascii() and text.isdigit() and len(text) <= 16:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as err:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time: give 2026-11-24T08:00 (UTC) or milliseconds since 1970"
        ) from err
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


def add_range(parser: argparse.ArgumentParser) -> None:
    """Describe `--start` and `--end`."""
    parser.add_argument("--start", type=parse_time, help="default: a day before the end")
    parser.add_argument("--end", type=parse_time, help="default: now")


def range_of(options: argparse.Namespace) -> tuple[int, int]:
    """The range that is asked for, in ms; raises UsageError."""
    end = time.time_ns() // 1_000_000 if options.end is None else options.end
    start = max(0, end - DAY_MS) if options.start is None else options.start
    if not 0 <= start < end:
        raise UsageError(f"The range ends ({end}) before it starts ({start})")
    return start, end


def tell_waiting(config: BridgeConfig, tiers: Tiers) -> None:
    """Say on stderr what has been in no store for long: what reads the stores lacks it."""
    if not config.outbox_path.exists():
        return
    before = time.time_ns() // 1_000_000 - ON_ITS_WAY_MS
    sinks = ("warm",) if tiers.hot.shares_rows else ("hot", "warm")
    try:
        waiting = read_waiting(config.outbox_path, sinks, before)
    except OutboxError as err:
        print(f"Whether samples still wait for the stores is not known: {err}", file=sys.stderr)
        return
    if waiting:
        print(
            f"{waiting} samples that were taken in still wait for the stores and may be lacking",
            file=sys.stderr,
        )


async def _query(options: argparse.Namespace) -> int:
    start, end = range_of(options)
    config = load(options.config)
    async with open_store(config) as tiers:
        if problem := await absent(tiers, [options.series]):
            print(problem, file=sys.stderr)
            return 1
        tell_waiting(config, tiers)
        if options.points is None:
            async for samples in pages(Reader(*tiers), options.series, start, end):
                for sample in samples:
                    value = "-" if sample.value is None else f"{sample.value:g}"
                    print(iso(sample.t), value, sample.quality, sample.batch or "-")
            return 0
        try:
            chart = await Reader(*tiers).history([options.series], start, end, options.points)
        except ValueError as err:
            raise UsageError(str(err)) from err
        for t, *figures in chart["series"][options.series]:
            print(iso(int(t or 0)), *("-" if x is None else f"{x:g}" for x in figures))
        for lack in chart["partial"]:
            print(f"Partial: the {lack['tier']} tier: {lack['error']}", file=sys.stderr)
        return 1 if chart["partial"] else 0
