"""A real node with one client, on a simulated 1-Wire bus whose conversions are noted."""

import asyncio
import contextlib
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

import aiohttp

from edge_node.hardware.scratchpad import CONVERSION_S
from edge_node.simulate_state import SimulationState, free_ports
from edge_node.simulation.plan import device_id
from edge_node.simulation.sysfs import W1Tree
from scripts.demo_brewery.processes import Child

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

NODE_ID: Final = "bench"
CHANNELS: Final = tuple(f"temperature_{number}" for number in range(1, 9))
_START_S: Final = 30.0


class Bus:
    """A bus of eight probes that creep up and down, no probe the same twice in a row."""

    def __init__(self, root: Path, *, bulk: bool = True, bits: int = 12) -> None:
        self.root = root
        self.bits = bits
        self.conversion_s = CONVERSION_S[bits]
        self.devices = [device_id(NODE_ID, channel) for channel in CHANNELS]
        self.ended: list[float] = []  # the ends of conversions, monotonic seconds
        self.tree = W1Tree(root, {device: self._probe() for device in self.devices}, bulk=bulk)

    def start(self) -> None:
        """Write and serve the tree."""
        self.tree.start()
        for device in self.devices:
            (self.root / device / "resolution").write_text(f"{self.bits}\n")

    def stop(self) -> None:
        """Serve no more."""
        self.tree.stop()

    def _probe(self) -> Callable[[int], int]:
        steps = count()

        def convert(bits: int) -> int:
            self.ended.append(time.monotonic())
            # Up and down by steps of 1/4 degree, which every resolution shows.
            place = next(steps) % 40
            return 66 * 16 + (min(place, 40 - place)) * (1 << (12 - min(bits, 10)))

        return convert


def write_config(folder: Path, bus: Bus, port: int = 0) -> Path:
    """The configuration of a node on this bus; its identity and folder are made, too."""
    state = SimulationState(folder)
    return state.node(NODE_ID, port, _content(bus)).config_path


def _content(bus: Bus) -> dict[str, object]:
    return {
        "name": "Bench",
        "mdns": False,
        "clock": "trust",
        "kettles": [{"id": "mash-tun", "name": "Mash tun", "group": [NODE_ID]}],
        "w1": {"root": str(bus.root)},
        "channels": [
            {"id": channel, "kettle": "mash-tun", "driver": "w1", "device": device}
            for channel, device in zip(CHANNELS, bus.devices, strict=True)
        ],
    }


@dataclass(frozen=True, slots=True)
class NodeUnderTest:
    """A running node and how to speak to it."""

    url: str
    pid: int
    token: str
    fingerprint: aiohttp.Fingerprint
    bus: Bus
    child: Child
    data_dir: Path


@contextlib.asynccontextmanager
async def running_node(folder: Path) -> AsyncIterator[NodeUnderTest]:
    """A node process with its eight probes, once it has samples."""
    bus = Bus(folder / "w1")
    state = SimulationState(folder)
    (port,) = free_ports(1)
    node = state.node(NODE_ID, port, _content(bus))
    token = state.client("bench-client", [node])[NODE_ID]
    child = Child(
        "the node",
        [sys.executable, "-m", "edge_node", "run", "--config", node.config_path, "--pausable"],
        folder / "node.log",
        stdout=subprocess.DEVNULL,
    )
    bus.start()
    try:
        child.start()
        running = NodeUnderTest(
            url=node.url,
            pid=child.process.pid,
            token=token,
            fingerprint=aiohttp.Fingerprint(bytes.fromhex(node.identity.fingerprint)),
            bus=bus,
            child=child,
            data_dir=node.config_path.parent / "data",
        )
        await _sampling(running)
        yield running
    finally:
        await asyncio.to_thread(child.stop)
        await asyncio.to_thread(bus.stop)


@contextlib.asynccontextmanager
async def session(node: NodeUnderTest) -> AsyncIterator[aiohttp.ClientSession]:
    """A client's session: token, pin, no time limit of its own."""
    async with aiohttp.ClientSession(
        node.url,
        headers={"Authorization": f"Bearer {node.token}"},
        connector=aiohttp.TCPConnector(ssl=node.fingerprint),
        timeout=aiohttp.ClientTimeout(total=None, sock_read=40),
    ) as http:
        yield http


async def _sampling(node: NodeUnderTest) -> None:
    deadline = time.monotonic() + _START_S
    async with session(node) as http:
        while True:
            node.child.check()
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get("/v1/samples", params={"wait": "2"}) as response:
                    if (await response.json())["last_seq"]:
                        return
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"the node took no sample in {_START_S:g} s: {node.child.tail()}"
                )
            await asyncio.sleep(0.1)
