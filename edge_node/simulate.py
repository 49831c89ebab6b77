"""A whole simulated brewery: real node processes around one model, for clients and tests."""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from edge_node.app import AppError
from edge_node.simulate_process import GuardProcess, NodeProcess
from edge_node.simulate_state import SimulatedNode, SimulationState, free_ports
from edge_node.simulation.world import BreweryPlan, KettlePlan, NodePlan, SimulatedBrewery

_LOGGER = logging.getLogger(__name__)

_START_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Simulation:
    """What to simulate: every kettle on each of `nodes` nodes, `clients` paired clients.

    `first_port` 0 lets the system choose. `replay` makes the kettles fermenters that follow this
    log. `start_c` maps kettles to where they begin, 20 °C unless given.
    """

    kettles: tuple[str, ...]
    nodes: int
    first_port: int
    clients: int
    state: Path
    mdns: bool = False
    replay: Path | None = None
    speed: float = 1.0
    start_c: dict[str, float] = field(default_factory=dict)
    probes: int = 1  # of each kettle on each node

    @property
    def node_ids(self) -> list[str]:
        """`<kettle>-1`, `<kettle>-2`, ...: named after the first kettle."""
        return [f"{self.kettles[0]}-{number}" for number in range(1, self.nodes + 1)]


async def simulate(simulation: Simulation, *, as_json: bool) -> None:
    """Run until SIGINT or SIGTERM; AppError if the nodes do not come up.

    Once every node answers, it is told on stdout: one line of JSON, or for people one of each node
    and of each token.
    """
    state = SimulationState(simulation.state)
    with _only_one(simulation.state):
        brewery = SimulatedBrewery(_plan(simulation), simulation.state)
        brewery.start()
        try:
            nodes = _nodes(simulation, state, brewery)
            clients = [
                {"client_id": name, "tokens": state.client(name, nodes)}
                for name in (f"client-{number}" for number in range(1, simulation.clients + 1))
            ]
            guards = [
                GuardProcess(brewery.enable_file(node.identity.node_id), node.runtime_dir)
                for node in nodes
                if brewery.actuators(node.identity.node_id)
            ]
            await _run(nodes, guards, clients, as_json=as_json)
        finally:
            brewery.stop()


async def _run(
    nodes: list[SimulatedNode],
    guards: list[GuardProcess],
    clients: list[dict[str, Any]],
    *,
    as_json: bool,
) -> None:
    processes = [NodeProcess(node) for node in nodes]
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def pause() -> None:
        for process in processes:
            process.pause()

    loop.add_signal_handler(signal.SIGUSR1, pause)
    tasks = [asyncio.create_task(process.run()) for process in (*guards, *processes)]
    stopped = asyncio.create_task(stop.wait())
    up = asyncio.ensure_future(asyncio.gather(*(process.answering() for process in processes)))
    try:
        pending: set[asyncio.Future[Any]] = {up, stopped, *tasks}
        await asyncio.wait(pending, timeout=_START_S, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            _raise_if_broken(tasks)
            if not up.done():
                raise AppError(f"The nodes did not answer within {_START_S:g} s; see their log.")
            await up
            _announce(processes, clients, as_json=as_json)
            await asyncio.wait(pending - {up}, return_when=asyncio.FIRST_COMPLETED)
            _raise_if_broken(tasks)
    finally:
        up.cancel()
        stopped.cancel()
        await asyncio.gather(*(process.stop() for process in (*processes, *guards)))
        await asyncio.gather(up, stopped, *tasks, return_exceptions=True)


def _raise_if_broken(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        if task.done():
            task.result()


def _announce(
    processes: list[NodeProcess], clients: list[dict[str, Any]], *, as_json: bool
) -> None:
    nodes = [
        {
            "node_id": process.node.identity.node_id,
            "url": process.node.url,
            "fingerprint": process.node.identity.fingerprint,
            "pid": process.pid,
            "pair": process.node.pairing_line,
        }
        for process in processes
    ]
    if as_json:
        print(json.dumps({"nodes": nodes, "clients": clients}), flush=True)  # noqa: T201
        return
    # Secrets of nodes that are not there once this ends; those of real ones are never shown again.
    lines = [f"{node['node_id']}  {node['url']}  {node['pair']}" for node in nodes] + [
        f"{client['client_id']}  {node_id}  token {token}"
        for client in clients
        for node_id, token in client["tokens"].items()
    ]
    print("\n".join(lines), flush=True)  # noqa: T201


def _plan(simulation: Simulation) -> BreweryPlan:
    try:
        return BreweryPlan(
            kettles=tuple(
                KettlePlan(
                    kettle_id=kettle_id,
                    start_c=simulation.start_c.get(kettle_id, 20.0),
                    replay=simulation.replay,
                    speed=simulation.speed,
                )
                for kettle_id in simulation.kettles
            ),
            nodes=tuple(
                NodePlan(node_id, simulation.kettles, simulation.probes)
                for node_id in simulation.node_ids
            ),
            guarded=True,
        )
    except ValueError as err:
        raise AppError(f"This brewery cannot be simulated: {err}.") from err


def _nodes(
    simulation: Simulation, state: SimulationState, brewery: SimulatedBrewery
) -> list[SimulatedNode]:
    node_ids = simulation.node_ids
    if simulation.first_port:
        ports = list(range(simulation.first_port, simulation.first_port + len(node_ids)))
    else:
        ports = free_ports(len(node_ids))
    return [
        state.node(
            node_id,
            port,
            {
                "name": _title(node_id),
                "mdns": simulation.mdns,
                "clock": "trust",
                "kettles": [
                    {
                        "id": kettle_id,
                        "name": _title(kettle_id),
                        "group": node_ids,
                        "safety": {"volume_l": brewery.volume_l(kettle_id)},
                    }
                    for kettle_id in simulation.kettles
                ],
                "w1": {"root": str(brewery.w1_root(node_id).absolute())},
                "iio": {"root": str(brewery.iio_root(node_id).absolute())},
                "channels": brewery.channels(node_id),
                "actuators": brewery.actuators(node_id),
                "inputs": brewery.contacts(node_id),
                "controllers": _controllers(brewery.actuators(node_id)),
            },
        )
        for node_id, port in zip(node_ids, ports, strict=True)
    ]


def _controllers(actuators: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A PID for every element, called after its kettle."""
    return [
        {
            "id": heater["kettle"],
            "name": _title(heater["kettle"]),
            "kettle": heater["kettle"],
            "kind": "pid",
            "heater": heater["id"],
            "range": [0, 100],
        }
        for heater in actuators
        if heater["kind"] == "heater"
    ]


def _title(slug: str) -> str:
    """`Mash tun 1` for `mash-tun-1`."""
    return slug.replace("-", " ").replace("_", " ").capitalize()


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder / "simulate.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise AppError(
                f"Another simulation uses {folder}; stop it or choose another --state."
            ) from err
        yield
    finally:
        os.close(descriptor)
