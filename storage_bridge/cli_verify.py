"""`smart-beer-bridge verify`: says exactly what is missing."""

import argparse
import asyncio
import dataclasses
import json
import time
from typing import Any

import aiohttp

from .cli_progress import Progress
from .config import BridgeConfig, load
from .ha_client import HomeAssistantClient
from .outbox_offline import read_expected, read_figures, read_status
from .stored import open_store, stored_samples
from .verify import Held, Report, check_coverage, check_tiers

CONFLICTS = 100_000


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "verify",
        help="compare nodes, outbox and tiers; exit code 1 unless it is proven that all is there",
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
        print(json.dumps({"ok": report.ok, **dataclasses.asdict(report)}))
    else:
        for line in report.notes:
            print(line)
        for line in report.missing:
            print(f"MISSING: {line}")
        for line in report.unproven:
            print(f"NOT PROVEN: {line}")
        if report.missing:
            print("Something is missing.")
        else:
            print("Everything is here." if report.ok else "It cannot be proven that all is here.")
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
    held = Held(expected.waiting)
    with Progress("compared") as progress:
        async for sample in stored_samples(config, progress.show):
            held.add(sample)
    async with open_store(config) as tiers:
        for conflict in await tiers.warm.conflicts(CONFLICTS):
            held.refuse(conflict.refused.series, conflict.refused.t)
    kept = check_tiers(expected, read_figures(config.outbox_path), held)
    return Report([*taken_in.missing, *kept.missing], [*taken_in.notes, *kept.notes], kept.unproven)


async def _spools(config: BridgeConfig) -> dict[str, Any]:
    home = config.home_assistant
    async with (
        aiohttp.ClientSession() as session,
        HomeAssistantClient(session, home.url, home.token()) as client,
    ):
        _, result = await client.call("smart_beer/spools")
    nodes = result.get("nodes") if isinstance(result, dict) else None
    return nodes if isinstance(nodes, dict) else {}
