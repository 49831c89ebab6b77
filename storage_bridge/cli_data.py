"""`smart-beer-bridge query` and `export`: stored samples for people and for other programs."""

import argparse
import asyncio
import csv
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from .cli_progress import Progress
from .config import load
from .model import Sample
from .reader import Reader
from .stored import all_series, open_store, pages

DAY_MS = 86_400_000


class UsageError(Exception):
    """The arguments make no sense; the text says why."""


def add_query(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe `query`."""
    parser = commands.add_parser("query", help="print stored samples of one series")
    parser.add_argument("--series", required=True, metavar="NODE/CHANNEL")
    parser.add_argument("--points", type=int, help="min, max and mean of this many buckets instead")
    _add_range(parser)
    parser.set_defaults(command=lambda options: asyncio.run(_query(options)))


def add_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe `export`."""
    parser = commands.add_parser("export", help="write stored samples to a file")
    parser.add_argument(
        "--series", action="append", metavar="NODE/CHANNEL", help="may be repeated; default: all"
    )
    parser.add_argument("--format", choices=["csv"], default="csv")
    parser.add_argument("--output", default="-", metavar="FILE", help="- is stdout")
    _add_range(parser)
    parser.set_defaults(command=lambda options: asyncio.run(_export(options)))


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


def _add_range(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--start", type=parse_time, help="default: a day before the end")
    parser.add_argument("--end", type=parse_time, help="default: now")


def _range(options: argparse.Namespace) -> tuple[int, int]:
    end = time.time_ns() // 1_000_000 if options.end is None else options.end
    start = max(0, end - DAY_MS) if options.start is None else options.start
    if not 0 <= start < end:
        raise UsageError(f"The range ends ({end}) before it starts ({start})")
    return start, end


async def _query(options: argparse.Namespace) -> int:
    start, end = _range(options)
    async with open_store(load(options.config)) as tiers:
        if options.points is None:
            async for samples in pages(tiers, options.series, start, end):
                for sample in samples:
                    value = "-" if sample.value is None else f"{sample.value:g}"
                    print(_iso(sample.t), value, sample.quality, sample.batch or "-")
            return 0
        try:
            chart = await Reader(*tiers).history([options.series], start, end, options.points)
        except ValueError as err:
            raise UsageError(str(err)) from err
        for t, *figures in chart["series"][options.series]:
            print(_iso(int(t or 0)), *("-" if x is None else f"{x:g}" for x in figures))
        for lack in chart["partial"]:
            print(f"Partial: the {lack['tier']} tier: {lack['error']}", file=sys.stderr)
        return 1 if chart["partial"] else 0


async def _export(options: argparse.Namespace) -> int:
    start, end = _range(options)
    async with open_store(load(options.config)) as tiers:
        names = options.series or await all_series(tiers)
        count = 0
        with _output(options.output) as file, Progress("exported") as progress:
            writer = csv.writer(file)
            writer.writerow(["series", "t", "time", "value", "quality", "batch"])
            for done, name in enumerate(names):
                async for samples in pages(tiers, name, start, end):
                    writer.writerows(_row(sample) for sample in samples)
                    count += len(samples)
                    progress.show(done, len(names), count)
            progress.show(len(names), len(names), count)
    return 0


def _row(sample: Sample) -> tuple[object, ...]:
    return (sample.series, sample.t, _iso(sample.t), *sample[2:])


def _iso(t: int) -> str:
    return datetime.fromtimestamp(t / 1000, UTC).isoformat(timespec="milliseconds")


@contextmanager
def _output(name: str) -> Iterator[TextIO]:
    if name == "-":
        yield sys.stdout
        return
    # A file with this name is a whole export, so it gets the name last.
    part = Path(f"{name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
        part.replace(name)
    finally:
        part.unlink(missing_ok=True)
