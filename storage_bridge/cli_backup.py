"""`smart-beer-bridge backup` and `restore`: everything that a bridge keeps, in one file."""

import argparse
import asyncio
import sys
from pathlib import Path

from .app import bridge_version
from .backup import back_up
from .backup_file import BackupError, Contents, check
from .cli_progress import Progress
from .config import BridgeConfig, load
from .data_dir import DataDirLock
from .restore import Restore, unfinished
from .stored import open_store
from .tiers import tiers_of

_MB = 1_000_000


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe both commands."""
    backup = commands.add_parser(
        "backup", help="write all samples, records and the outbox to one file; the bridge may run"
    )
    backup.add_argument("--output", type=Path, required=True, metavar="FILE")
    backup.set_defaults(command=lambda options: asyncio.run(_backup(options)))
    restore = commands.add_parser(
        "restore", help="put a backup into empty stores, of whatever kind; the bridge must not run"
    )
    restore.add_argument("file", type=Path, metavar="FILE")
    restore.add_argument("--check", action="store_true", help="only prove that the file is whole")
    restore.set_defaults(command=lambda options: asyncio.run(_restore(options)))


async def _backup(options: argparse.Namespace) -> int:
    config, output = load(options.config), options.output
    if (begun := unfinished(config.data_dir)) is not None:
        raise BackupError(f"The restore of {begun} has not finished: run it again first")
    async with open_store(config) as tiers:
        with Progress("backed up") as progress:
            contents = await back_up(
                config, tiers, output, version=bridge_version(), progress=progress.show
            )
    print(f"{output} holds {_text(contents)}, {output.stat().st_size} bytes.")
    return _damaged(contents)


async def _restore(options: argparse.Namespace) -> int:
    source: Path = options.file
    config = load(options.config)
    if options.check:
        contents = check(source)
        print(f"{source} is whole: it holds {_text(contents)}.")
        return _damaged(contents)
    contents = await _put(config, source)
    print(f"Restored {_text(contents)}. Start the bridge: what is in hot is filled by it.")
    return _damaged(contents)


async def _put(config: BridgeConfig, source: Path) -> Contents:
    lock = DataDirLock(config.data_dir)
    try:
        tiers = await asyncio.to_thread(tiers_of, config.tiers, config.store_path)
        await tiers.open()
        try:
            with Progress("restored") as progress:
                restore = Restore(
                    config,
                    tiers,
                    source,
                    progress=lambda done, size, samples: progress.show(
                        -(-done // _MB), -(-size // _MB), samples, "MB"
                    ),
                )
                return await restore.run()
        finally:
            await tiers.close()
    finally:
        lock.release()


def _text(contents: Contents) -> str:
    return f"{contents.samples} samples in {contents.hours} hours, {contents.records} records"


def _damaged(contents: Contents) -> int:
    for sentence in contents.damaged:
        print(f"LEFT OUT: {sentence}", file=sys.stderr)
    return 1 if contents.damaged else 0
