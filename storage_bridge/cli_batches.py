"""`smart-beer-bridge batches` and `note`: what was brewed, and what is to be said of it."""

import argparse
import asyncio
import getpass
import sys
import time

from .batches import MAX_BATCHES, add_note, list_batches
from .cli_data import UsageError
from .config import load
from .samples_csv import iso
from .stored import open_store


def add_batches(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe `batches`."""
    parser = commands.add_parser("batches", help="list the batches, oldest first")
    parser.set_defaults(command=lambda options: asyncio.run(_batches(options)))


def add_note_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe `note`."""
    parser = commands.add_parser("note", help="add a brew note to a batch")
    parser.add_argument("--batch", required=True, metavar="ID")
    parser.add_argument("--kettle", metavar="ID", help="default: the one it was in last")
    parser.add_argument("--by", metavar="NAME", help="default: your name on this computer")
    parser.add_argument("text", metavar="TEXT")
    parser.set_defaults(command=lambda options: asyncio.run(_note(options)))


async def _batches(options: argparse.Namespace) -> int:
    start: int | None = None
    told: set[tuple[str, int]] = set()
    partial: list[str] = []
    async with open_store(load(options.config), partial=True) as tiers:
        while True:
            reply = await list_batches(tiers, start, None, None, MAX_BATCHES)
            latest = start
            for lack in reply["partial"]:
                sentence = f"Partial: the {lack['tier']} tier: {lack['error']}"
                if sentence not in partial:
                    partial.append(sentence)
            for batch in reply["batches"]:
                for kettle in batch["kettles"]:
                    latest = max(latest or 0, kettle["started"])
                    key = (batch["batch_id"], kettle["started"])
                    if key not in told:
                        told.add(key)
                        ended = "running" if kettle["running"] else _time(kettle["ended"])
                        print(iso(kettle["started"]), ended, kettle["kettle_id"], batch["batch_id"])
            if not reply["more"] or latest == start:
                break
            start = latest
    for sentence in partial:
        print(sentence, file=sys.stderr)
    return 1 if partial else 0


async def _note(options: argparse.Namespace) -> int:
    async with open_store(load(options.config)) as tiers:
        try:
            note = await add_note(
                tiers,
                options.batch,
                by=options.by or getpass.getuser(),
                text=options.text,
                now=time.time_ns() // 1_000_000,
                kettle_id=options.kettle,
            )
        except ValueError as err:
            raise UsageError(str(err)) from err
    print(f"Noted for batch {options.batch} in {note.kettle_id} at {iso(note.t)}")
    return 0


def _time(t: int | None) -> str:
    return "-" if t is None else iso(t)
