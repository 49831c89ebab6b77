"""`smart-beer-bridge letters`: what could not be stored, and why."""

import argparse
import asyncio
import json
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Final

from .cli_data import DAY_MS
from .config import BridgeConfig, load
from .outbox_letters import KeptLetter, read_letters
from .outbox_schema import connect_read_only
from .records.merged import MergedRecords
from .records.model import DeadLetter
from .samples_csv import iso
from .stored import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

DAYS: Final = 30
SHOWN: Final = 200  # characters of a record; `--json` has all
_PAGE: Final = 1000


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command; it ends with 1 when a tier could not be asked."""
    parser = commands.add_parser(
        "letters", help="show the records that could not be stored (dead letters), and why"
    )
    parser.add_argument("--node", metavar="ID", help="only those of this node")
    parser.add_argument(
        "--days", type=float, default=DAYS, metavar="N", help=f"of the last N days (default {DAYS})"
    )
    parser.add_argument("--json", action="store_true", help="whole, a JSON object on each line")
    parser.set_defaults(command=lambda options: asyncio.run(_letters(options)))


async def _letters(options: argparse.Namespace) -> int:
    config = load(options.config)
    since = max(0, time.time_ns() // 1_000_000 - int(options.days * DAY_MS))
    # First the outbox: what leaves it meanwhile is in the store by then.
    waiting: dict[str, DeadLetter] = {}
    if config.outbox_path.exists():
        for letter in await asyncio.to_thread(lambda: list(_waiting(config))):
            if letter.t >= since and options.node in {None, letter.node_id}:
                waiting.setdefault(letter.key, letter)
    for letter in waiting.values():
        _show(letter, as_json=options.json, waits=True)
    n = len(waiting)
    async with open_store(config, partial=True) as tiers:
        records = MergedRecords(tiers)
        async for letter in records.find_all(DeadLetter, start=since, subject=options.node):
            if letter.key not in waiting:
                _show(letter, as_json=options.json, waits=False)
                n += 1
    for lack in records.partial:
        print(f"Partial: the {lack['tier']} tier: {lack['error']}", file=sys.stderr)
    if not (n or records.partial or options.json):
        print("Everything could be stored.")
    return 1 if records.partial else 0


def _waiting(config: BridgeConfig) -> Iterator[DeadLetter]:
    """Those of the outbox's file, also beside a running bridge."""
    with closing(connect_read_only(config.outbox_path)) as db:
        kept: list[KeptLetter] = read_letters(db, 0, _PAGE)
        while kept:
            for one in kept:
                yield one.letter
            kept = read_letters(db, kept[-1].row_id, _PAGE)


def _show(letter: DeadLetter, *, as_json: bool, waits: bool) -> None:
    if as_json:
        print(json.dumps({**letter.body(), "waits": waits}, ensure_ascii=False))
        return
    record = letter.record if len(letter.record) <= SHOWN else f"{letter.record[:SHOWN]}..."
    reason = letter.reason if len(letter.reason) <= SHOWN else f"{letter.reason[:SHOWN]}..."
    note = " (waits in the outbox)" if waits else ""
    print(f"{iso(letter.t)} {letter.stage} {letter.node_id}: {reason}: {record}{note}")
