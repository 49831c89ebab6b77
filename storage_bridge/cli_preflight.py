"""`smart-beer-bridge preflight`: says before anything starts what will not run here."""

import argparse
from pathlib import Path
from typing import Final

from . import preflight_machine
from .preflight import MEMORY, ONE_SERVER, Level, judge

MARKS: Final = {Level.STOP: "STOP", Level.WARN: "warn", Level.NOTE: "note", Level.OK: "ok"}


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "preflight", help="say before anything starts what will not run on this computer"
    )
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=sorted(MEMORY),
        metavar="PART",
        help=f"what is to run here: {', '.join(sorted(MEMORY))} (all, unless named; sentinel only "
        "with --pair)",
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path("/var/lib"),
        metavar="DIR",
        help="where their data goes",
    )
    parser.add_argument(
        "--pair",
        action="store_true",
        help="this computer is a member of a pair: look also at what its stores open to the others",
    )
    parser.add_argument(
        "--third",
        default="",
        metavar="ADDRESS",
        help="with --pair: the third member; empty, there is none",
    )
    parser.add_argument(
        "--ports-in-use",
        action="store_true",
        help="the parts run already: do not look at their ports",
    )
    parser.set_defaults(command=_preflight)


def _preflight(options: argparse.Namespace) -> int:
    """0 when everything can run, 1 when something cannot."""
    parts = tuple(options.parts or (MEMORY if options.pair else ONE_SERVER))
    listening = () if options.ports_in_use else parts
    machine = preflight_machine.read(listening, folder=options.data_dir, pair=options.pair)
    findings = judge(machine, parts, third=bool(options.third) if options.pair else None)
    for finding in findings:
        print(f"{MARKS[finding.level]:>4}  {finding.text}")
    return 1 if any(finding.level is Level.STOP for finding in findings) else 0
