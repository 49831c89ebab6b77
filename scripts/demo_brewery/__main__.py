"""`scripts/demo`: see its --help."""

import argparse
import asyncio
import contextlib
import signal
import socket
import sys
from pathlib import Path

from scripts.servers import MissingServerError, ServerError

from .brewery import Brewery
from .check import check, print_summary
from .processes import ChildDiedError
from .seed import ROOT
from .stores import PORTS, Stores


def _free(port: int, count: int = 1) -> bool:
    for one in range(port, port + count):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if probe.connect_ex(("127.0.0.1", one)) == 0:
                return False
    return True


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


LOOK = """
The brewery is running.

  Dashboard    {url}/smart-beer/brewery      (logs you in by itself, from this machine only)
  Nodes        {url}/smart-beer/nodes
  Settings     {url}/config/integrations/integration/smart_beer

What to look at: the mash tun's temperature is the median of three nodes' probes; the charts are
live at the right edge; drag across one to zoom in, press Live to come back.
Brew:             tap the mash tun's thermostat, turn the dial, choose Heat; tap its pump. Safe stop
                  ends all heat of the kettle and latches it off, until Clear latches.
Break something:  kill -9 {pid}    (a node of the mash tun: it is back in seconds, nothing is lost)
                  echo '{{"mash-tun-1/temperature": "power_on"}}' > {faults}
                  (that probe says 85 °C: it is left out, and the tile says why; '{{}}' mends it)
                  echo '{{"mash-tun-1/heater": "welded"}}' > {faults}
                  (its relay stays on: within two minutes the contactor opens, and it is latched)
Logs         {logs}

Ctrl-C stops everything.
"""


async def _run(brewery: Brewery) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with brewery:
        _say(
            LOOK.format(
                url=brewery.url,
                pid=brewery.nodes[0]["pid"],
                faults=brewery.folder / "nodes" / "mash-tun" / "faults.json",
                logs=brewery.folder / "logs",
            )
        )
        if brewery.stores is not None:
            _say(brewery.stores.look(brewery.bridge_config))
        while not stop.is_set():
            await asyncio.to_thread(brewery.check)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1)
        _say("stopping …")
    _say("stopped.")
    return 0


async def _check(brewery: Brewery, seconds: float, *, chaos: bool) -> int:
    async with brewery:
        summary = await check(brewery, seconds, chaos=chaos)
    print_summary(summary, brewery.folder)
    return 0 if summary.ok else 1


def main() -> int:
    """Parse the arguments of scripts/demo and run it."""
    parser = argparse.ArgumentParser(prog="scripts/demo")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--chaos", action="store_true")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--node-port", type=int, default=9301)
    parser.add_argument("--stores", choices=("embedded", "real"), default="embedded")
    parser.add_argument("--store-port", type=int)
    parser.add_argument("--language", choices=("en", "es"), default="en")
    parser.add_argument("--state", type=Path, default=ROOT / ".cache" / "demo")
    arguments = parser.parse_args()
    if arguments.chaos and not arguments.check:
        parser.error("--chaos goes with --check")
    folder = arguments.state.resolve()
    brewery = Brewery(
        folder=folder,
        node_port=arguments.node_port,
        port=arguments.port,
        language=arguments.language,
        say=_say,
    )
    count = sum(vessels.nodes for vessels in brewery.plan)
    store_port = arguments.store_port or arguments.node_port + 10
    taken = [(arguments.port, 1, "--port"), (arguments.node_port, count, "--node-port")]
    if arguments.stores == "real":
        taken.append((store_port, PORTS, "--store-port"))
    for first, many, option in taken:
        if not _free(first, many):
            parser.error(
                f"something listens on 127.0.0.1:{first} or just above it already: "
                f"choose another with {option}"
            )
    if arguments.fresh:
        brewery.empty()
    try:
        if arguments.stores == "real":
            brewery.stores = Stores(folder / "stores", store_port)
        if brewery.kept_elsewhere():
            parser.error(
                f"the samples in {folder} are kept in other stores: add --fresh or --state"
            )
        if arguments.check:
            return asyncio.run(_check(brewery, max(60.0, arguments.seconds), chaos=arguments.chaos))
        return asyncio.run(_run(brewery))
    except (ChildDiedError, MissingServerError, ServerError, TimeoutError) as error:
        _say(f"scripts/demo: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
