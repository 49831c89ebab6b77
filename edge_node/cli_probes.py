"""`probes`: what hangs on this machine's buses, each with its reading now."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from edge_node import config
from edge_node.cli_init import IIO_ROOT, W1_ROOT
from edge_node.hardware import list_probes


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `probes`."""
    parser = subparsers.add_parser("probes", help="list what hangs on the buses, with readings")
    parser.add_argument("--config", type=Path, metavar="FILE", help="whose buses, if not the usual")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Read every probe once and list them."""
    w1_root, iio_root = W1_ROOT, IIO_ROOT
    if arguments.config is not None:
        node = config.load(arguments.config)
        w1_root, iio_root = node.w1_root, node.iio_root
    probes = list_probes(w1_root, iio_root)
    if arguments.json:
        print(json.dumps({"probes": [asdict(probe) for probe in probes]}))
        return 0
    if not probes:
        print(
            f"Nothing found under {w1_root} and {iio_root}. For 1-Wire, /boot/firmware/config.txt "
            "needs dtoverlay=w1-gpio and a restart; then check wiring and pull-up resistor."
        )
        return 0
    for probe in probes:
        name = probe.device if probe.input is None else f"{probe.device} {probe.input}"
        value = probe.quality if probe.value is None else f"{probe.value:.3f} {probe.unit}"
        notes = ", ".join(note for note in (probe.bus, probe.power) if note)
        print(f"{name:28} {value:>16}  {probe.model}  {notes}".rstrip())
    return 0
