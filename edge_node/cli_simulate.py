"""`simulate`: a brewery of real node processes on this machine."""

import argparse
import asyncio
import math
from pathlib import Path

import voluptuous as vol

from edge_node.app import AppError
from edge_node.config_schema import slug
from edge_node.simulate import Simulation, simulate

_MOST_NODES = 64
_MOST_PROBES = 16


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `simulate`."""
    parser = subparsers.add_parser(
        "simulate", help="run simulated nodes on this machine, until SIGINT or SIGTERM"
    )
    parser.add_argument(
        "--kettle", action="append", required=True, metavar="ID", help="may be repeated"
    )
    parser.add_argument("--nodes", type=int, default=1, metavar="N", help="nodes of each kettle")
    parser.add_argument(
        "--probes", type=int, default=1, metavar="N", help="probes of each kettle on each node"
    )
    parser.add_argument("--port", type=int, default=0, metavar="FIRST", help="0: any")
    parser.add_argument("--clients", type=int, default=0, metavar="K", help="paired clients")
    parser.add_argument(
        "--state", type=Path, required=True, metavar="DIR", help="kept for next time"
    )
    parser.add_argument("--json", action="store_true", help="one line of JSON once all answer")
    parser.add_argument("--mdns", action="store_true", help="announce the nodes on the network")
    parser.add_argument("--replay", type=Path, metavar="CSV", help="a fermentation to follow")
    parser.add_argument(
        "--speed", type=float, default=1.0, metavar="N", help="seconds of the log in one second"
    )
    parser.add_argument(
        "--temperature",
        action="append",
        default=[],
        metavar="KETTLE=C",
        help="where a kettle begins, 20 °C unless given",
    )
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the brewery until it is told to stop."""
    asyncio.run(simulate(_simulation(arguments), as_json=arguments.json))
    return 0


def _simulation(arguments: argparse.Namespace) -> Simulation:
    kettles = tuple(arguments.kettle)
    for kettle in kettles:
        try:
            slug(kettle)
        except vol.Invalid as err:
            raise AppError(f"--kettle {err.msg}") from err
    if len(set(kettles)) != len(kettles):
        raise AppError("--kettle: each kettle once.")
    if not 1 <= arguments.nodes <= _MOST_NODES:
        raise AppError(f"--nodes must be from 1 to {_MOST_NODES}, not {arguments.nodes}.")
    if not 1 <= arguments.probes <= _MOST_PROBES:
        raise AppError(f"--probes must be from 1 to {_MOST_PROBES}, not {arguments.probes}.")
    if not 0 <= arguments.clients <= 32:
        raise AppError(f"--clients must be from 0 to 32, not {arguments.clients}.")
    last = arguments.port + arguments.nodes - 1
    if arguments.port < 0 or last > 65535:
        raise AppError(f"--port must leave room for {arguments.nodes} ports from 1 to 65535.")
    if arguments.replay is not None and not arguments.replay.is_file():
        raise AppError(f"--replay: there is no file {arguments.replay}.")
    if not 0 < arguments.speed <= 10_000:
        raise AppError(f"--speed must be above 0 and at most 10000, not {arguments.speed:g}.")
    return Simulation(
        kettles=kettles,
        nodes=arguments.nodes,
        first_port=arguments.port,
        clients=arguments.clients,
        state=arguments.state.absolute(),
        mdns=arguments.mdns,
        replay=arguments.replay,
        speed=arguments.speed,
        probes=arguments.probes,
        start_c=dict(_start(text, kettles) for text in arguments.temperature),
    )


def _start(text: str, kettles: tuple[str, ...]) -> tuple[str, float]:
    kettle, _, number = text.partition("=")
    try:
        celsius = float(number)
    except ValueError:
        celsius = math.nan
    if kettle not in kettles or not -10 <= celsius <= 100:
        raise AppError(
            f"--temperature must be KETTLE=C with a kettle of this simulation and -10 to 100 °C, "
            f"not {text!r}."
        )
    return kettle, celsius
