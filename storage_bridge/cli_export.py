"""`smart-beer-bridge export` and `import`: samples and batches into files, back without loss."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .batch_record import dump, read_batch
from .batches import batch_samples
from .cli_data import UsageError, add_range, range_of, tell_waiting
from .cli_progress import Progress
from .config import load
from .importer import import_file
from .model import Sample
from .reader import Reader
from .samples_file import FORMATS, record_beside, writer_of
from .stored import absent, all_series, open_store, pages
from .tiers import Tiers

_NAMED = 3  # records that differ, in a sentence


def add_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe `export`."""
    parser = commands.add_parser("export", help="write stored samples, or a batch, to a file")
    parser.add_argument(
        "--batch",
        metavar="ID",
        help="all samples of this batch, and its record (kettles, alarms, acknowledgements, "
        "notes): in a Parquet file itself, beside a CSV file as FILE.record.json",
    )
    parser.add_argument(
        "--series", action="append", metavar="NODE/CHANNEL", help="may be repeated; default: all"
    )
    parser.add_argument("--format", choices=list(FORMATS), default="csv")
    parser.add_argument("--output", default="-", metavar="FILE", help="- is stdout")
    add_range(parser)
    parser.set_defaults(command=lambda options: asyncio.run(_export(options)))


def add_import(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe `import`."""
    parser = commands.add_parser("import", help="store what an exported file holds again")
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="CSV or Parquet, as exported; the record of a batch comes with it, for CSV from "
        "FILE.record.json, where that is",
    )
    parser.set_defaults(command=lambda options: asyncio.run(_import(options)))


async def _export(options: argparse.Namespace) -> int:
    ranged = (options.series, options.start, options.end) != (None, None, None)
    if options.batch is not None and ranged:
        raise UsageError("--batch has its own series and range: leave --series, --start, --end out")
    if options.format == "parquet" and options.output == "-" and sys.stdout.isatty():
        raise UsageError("Parquet is nothing for a terminal: give --output FILE")
    beside = None
    if options.format == "csv" and options.output != "-":
        beside = record_beside(Path(options.output))
    if options.batch is None and beside is not None and beside.exists():
        raise UsageError(
            f"{beside} is the record of a batch, which an import would take for that of this "
            "export: give another FILE, or remove it"
        )
    config = load(options.config)
    async with open_store(config) as tiers:
        if problem := await absent(tiers, options.series or ()):
            print(problem, file=sys.stderr)
            return 1
        tell_waiting(config, tiers)
        record = None
        if options.batch is not None:
            record = dump(await read_batch(tiers, options.batch))
            if beside is not None:
                # Before the samples: a CSV file that has its name is never without its record.
                with _output(str(beside)) as file:
                    file.write(record.encode())
        with _output(options.output) as file, Progress("exported") as progress:
            writer = writer_of(options.format, file, record)
            count = 0
            async for done, total, samples in _samples(tiers, options):
                await asyncio.to_thread(writer.write, samples)
                count += len(samples)
                progress.show(done, total, count)
            await asyncio.to_thread(writer.close)
    if options.batch is not None and options.format == "csv":
        what = "The record of the batch (kettles, alarms, acknowledgements, notes)"
        if beside is None:
            print(f"{what} is not in it: give --output FILE for it", file=sys.stderr)
        else:
            print(f"{what} is in {beside}: keep it beside {options.output}")
    return 0


async def _samples(
    tiers: Tiers, options: argparse.Namespace
) -> AsyncIterator[tuple[int, int, list[Sample]]]:
    """Pages, and how many series of how many are behind them."""
    reader = Reader(*tiers)
    if options.batch is not None:
        names: list[str] = []
        async for samples in batch_samples(tiers, reader, options.batch):
            if samples and samples[0].series not in names[-1:]:
                names.append(samples[0].series)
            yield len(names), len(names), samples
        return
    start, end = range_of(options)
    wanted = options.series or await all_series(tiers)
    for done, name in enumerate(wanted, 1):
        async for samples in pages(reader, name, start, end):
            yield done, len(wanted), samples


async def _import(options: argparse.Namespace) -> int:
    async with open_store(load(options.config), create=True) as tiers:
        with Progress("imported") as progress:
            result = await import_file(
                tiers,
                options.file,
                lambda done, total, count: progress.show(
                    100 * done // max(1, total), 100, count, "%"
                ),
            )
    if result.records:
        print(f"{result.records} records of the batch came with it", file=sys.stderr)
    if result.differing:
        more = ", ..." if len(result.differing) > _NAMED else ""
        print(
            f"{len(result.differing)} records are stored with another content; of the two texts "
            f"one stayed: {', '.join(result.differing[:_NAMED])}{more}",
            file=sys.stderr,
        )
    if result.conflicts:
        print(
            f"{result.conflicts} samples are stored with another content; that stayed, theirs is "
            "among the conflicts",
            file=sys.stderr,
        )
    return 1 if result.conflicts or result.differing else 0


@contextmanager
def _output(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    # A file with this name is a whole export, so it gets the name last.
    part = Path(f"{name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(name)
    finally:
        part.unlink(missing_ok=True)
