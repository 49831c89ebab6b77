"""`smart-beer-bridge verify`: says exactly what is missing."""

import argparse
import asyncio
import json
import time
from collections import Counter
from typing import Any

import aiohttp

from .cli_progress import Progress
from .config import BridgeConfig, load
from .ha_client import HomeAssistantClient
from .outbox_offline import read_covered, read_expected, read_status
from .stored import open_store, stored_samples
from .verify import Report, check_coverage, check_tiers

CONFLICTS = 100_000


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "verify", help="compare nodes, outbox and tiers; exit code 1 if anything is missing"
    )
    parser.add_argument("--offline", action="store_true", help="do not ask Home Assistant")
    parser.add_argument(
        "--wait", type=float, default=10.0, metavar="SECONDS",
        help="how long samples may still be on their way (default 10)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(command=_verify)


def _verify(options: argparse.Namespace) -> int:
    config = load(options.config)
    report = asyncio.run(_check(config, offline=options.offline, wait=options.wait))
    if options.json:
        print(json.dumps({"ok": report.ok, "missing": report.missing, "notes": report.notes}))
    else:
        for line in report.notes:
            print(line)
        for line in report.missing:
            print(f"MISSING: {line}")
        print("Everything is here." if report.ok else "Something is missing.")
    return 0 if report.ok else 1


async def _check(config: BridgeConfig, *, offline: bool, wait: float) -> Report:
    spools: dict[str, Any] = {} if offline else await _spools(config)
    until = time.monotonic() + wait
    while True:
        taken_in = check_coverage(read_status(config.outbox_path)["coverage"], spools)
        if taken_in.ok or time.monotonic() > until:
            break
        await asyncio.sleep(0.5)
    expected = read_expected(config.outbox_path)
    stored: Counter[str] = Counter()
    with Progress("compared") as progress:
        async for sample in stored_samples(config, progress.show):
            stored[sample.series.partition("/")[0]] += 1
    async with open_store(config) as tiers:
        for conflict in await tiers.warm.conflicts(CONFLICTS):
            stored[conflict.refused.series.partition("/")[0]] += 1
    kept = check_tiers(expected, read_covered(config.outbox_path), stored)
    return Report([*taken_in.missing, *kept.missing], [*taken_in.notes, *kept.notes])


async def _spools(config: BridgeConfig) -> dict[str, Any]:
    home = config.home_assistant
    async with (
        aiohttp.ClientSession() as session,
        HomeAssistantClient(session, home.url, home.token()) as client,
    ):
        _, result = await client.call("smart_beer/spools")
    nodes = result.get("nodes") if isinstance(result, dict) else None
    return nodes if isinstance(nodes, dict) else {}
