"""Real node processes and the real integration."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from custom_components.smart_beer import leaderships

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

ROOT = Path(__file__).parents[2]
READY_S = 60.0
SERVER_ID = "server-a"


@pytest.fixture(autouse=True)
def load_custom_integrations(enable_custom_integrations: None) -> None:
    """Let Home Assistant load the integration of this repository."""


@pytest.fixture(autouse=True)
def server_id(monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of this server, kept in no file."""
    monkeypatch.setattr(leaderships, "load_server_id", lambda _config_dir: SERVER_ID)
    return SERVER_ID


@pytest.fixture
async def session(socket_enabled: None) -> AsyncIterator[aiohttp.ClientSession]:
    """A session of aiohttp's own, as of another machine."""
    async with aiohttp.ClientSession() as session:
        yield session


@dataclass
class Simulation:
    """A kettle whose nodes are processes of their own, started by `smart-beer-edge simulate`."""

    process: Process
    state: Path
    nodes: list[dict[str, Any]] = field(default_factory=list)
    clients: list[dict[str, Any]] = field(default_factory=list)

    def subentries(self) -> list[dict[str, Any]]:
        """The nodes as subentries of a brewery that is the first paired client."""
        return [
            {
                "data": {
                    "host": "127.0.0.1",
                    "port": int(node["url"].rpartition(":")[2]),
                    "token": self.clients[0]["tokens"][node["node_id"]],
                    "fingerprint": node["fingerprint"],
                    "node_id": node["node_id"],
                },
                "subentry_type": "node",
                "title": node["node_id"],
                "unique_id": node["node_id"],
            }
            for node in self.nodes
        ]

    def level(self, output_id: str, node_id: str = "mash-tun-1") -> float:
        """What the simulated pin of an output says, in percent."""
        return float((self.state / "outputs" / node_id / output_id).read_text())

    def inject(self, faults: dict[str, str]) -> None:
        """Have these series (`<node_id>/<channel_id>`) fail so from now on."""
        scratch = self.state / "faults.json.new"
        scratch.write_text(json.dumps(faults))
        scratch.rename(self.state / "faults.json")


@pytest.fixture
async def simulate(
    socket_enabled: None, tmp_path: Path
) -> AsyncIterator[Callable[..., Awaitable[Simulation]]]:
    """Start a kettle with `nodes` nodes, as many clients paired, on free ports."""
    running: list[Simulation] = []

    async def start(*, nodes: int = 1, kettle: str = "mash-tun") -> Simulation:
        state, log = tmp_path / kettle, tmp_path / f"{kettle}.log"
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "edge_node.cli",
                "simulate",
                *("--kettle", kettle, "--nodes", str(nodes), "--port", "0", "--clients", "1"),
                *("--state", str(state), "--json"),
                cwd=ROOT,
                stdout=PIPE,
                stderr=errors,
            )
        simulation = Simulation(process, state)
        running.append(simulation)
        assert process.stdout is not None
        async with asyncio.timeout(READY_S):
            line = await process.stdout.readline()
        assert line, f"the simulation has ended:\n{log.read_text()}"
        ready = json.loads(line)
        simulation.nodes, simulation.clients = ready["nodes"], ready["clients"]
        return simulation

    yield start
    for simulation in running:
        if simulation.process.returncode is None:
            simulation.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(READY_S):
            await simulation.process.wait()
