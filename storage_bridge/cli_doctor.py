"""`smart-beer-bridge doctor`: whether everything is there that is configured."""

import argparse
import asyncio

from .cli_preflight import MARKS
from .config import BridgeConfig, load
from .doctor import examine
from .preflight import Level


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "doctor", help="connect to everything that is configured, and say how it is"
    )
    parser.set_defaults(command=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    """0 when everything works, 1 when something does not."""
    return asyncio.run(_examine(load(options.config)))


async def _examine(config: BridgeConfig) -> int:
    worst = 0
    async for finding in examine(config):
        print(f"{MARKS[finding.level]:>4}  {finding.part:<14}  {finding.text}", flush=True)
        worst = max(worst, int(finding.level is Level.STOP))
    return worst
