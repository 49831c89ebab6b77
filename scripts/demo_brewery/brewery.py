"""The demo's brewery: what it consists of, and how its parts are started, joined and stopped."""

import asyncio
import json
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from . import seed
from .home_assistant import Session, home_assistant
from .processes import Child, ChildDiedError, stop_all
from .stores import Stores, drivers, set_tiers

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = seed.ROOT
BIN = Path(sys.executable).parent
LOG_PATIENCE = 60


@dataclass(frozen=True, kw_only=True)
class Vessels:
    """One `smart-beer-edge simulate`: its kettles, how many nodes serve them, how they begin."""

    name: str
    nodes: int
    arguments: tuple[str, ...]


# A mash tun that must not fail, the rest of the brewhouse on one node, and a fermenter.
PLAN = (
    Vessels(
        name="mash-tun", nodes=3, arguments=("--kettle", "mash-tun", "--temperature", "mash-tun=66")
    ),
    Vessels(
        name="brewhouse",
        nodes=1,
        arguments=(
            *("--kettle", "hot-liquor-tank", "--kettle", "boil-kettle"),
            *("--temperature", "hot-liquor-tank=78", "--temperature", "boil-kettle=96"),
        ),
    ),
    Vessels(
        name="cellar",
        nodes=1,
        arguments=(
            *("--kettle", "fermenter"),
            *("--replay", str(ROOT / "tests" / "data" / "fermentation-2012-09-26.csv")),
            *("--speed", "120"),  # the recorded 18 hours pass in nine minutes
        ),
    ),
)


@dataclass
class Brewery:
    """All processes of a brewery under one folder. `async with Brewery(folder, ...) as brewery`."""

    folder: Path
    node_port: int = 9301
    port: int = 8123
    language: str = "en"
    plan: tuple[Vessels, ...] = PLAN
    say: Callable[[str], None] = print
    stores: Stores | None = None  # None: the bridge's own file
    simulations: list[Child] = field(default_factory=list)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    token: str = ""

    @property
    def url(self) -> str:
        """Home Assistant's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def session(self) -> Session:
        """A new owner's session."""
        return Session(self.url, self.token)

    @property
    def bridge_config(self) -> Path:
        """The bridge's configuration file."""
        return self.folder / "bridge" / "bridge.yaml"

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await asyncio.to_thread(self.stop)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.stop)

    async def start(self) -> None:
        """Start everything and join it; a second start on the same folder goes on where it was."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.say(
            f"starting {sum(vessels.nodes for vessels in self.plan)} nodes and Home Assistant …"
        )
        self.token = seed.make_config(
            self.folder / "homeassistant", self.port, language=self.language
        )
        self.home_assistant = home_assistant(
            BIN / "hass", self.folder / "homeassistant", self.folder / "logs" / "home-assistant.log"
        )
        self.home_assistant.start()
        # Beside the others: a Cassandra takes a while.
        stores = asyncio.create_task(asyncio.to_thread(self._start_stores))
        try:
            await self._start_nodes()
            async with self.session as ha:
                await ha.wait_running(self.home_assistant)
                await self._join(ha)
        finally:
            await stores
        if self.stores is not None:
            set_tiers(self.bridge_config, self.stores.tiers())
        self.bridge = Child(
            "the storage bridge",
            [BIN / "smart-beer-bridge", "run", "--config", self.bridge_config],
            self.folder / "logs" / "bridge.log",
        )
        self.bridge.start()
        await self.wait_bridge()

    def _start_stores(self) -> None:
        if self.stores is not None:
            self.stores.start()

    async def _start_nodes(self) -> None:
        port = self.node_port
        for vessels in self.plan:
            self.simulations.append(self._simulate(vessels, port))
            port += vessels.nodes
        for simulation in self.simulations:
            ready = await asyncio.to_thread(_first_line, simulation)
            self.nodes += ready["nodes"]

    def _simulate(self, vessels: Vessels, port: int) -> Child:
        state = self.folder / "nodes" / vessels.name
        command: list[str | Path] = [
            BIN / "smart-beer-edge",
            "simulate",
            *vessels.arguments,
            *("--nodes", str(vessels.nodes), "--port", str(port), "--clients", "0"),
            *("--state", state, "--json"),
        ]
        child = Child(
            f"the nodes of {vessels.name}",
            command,
            self.folder / "logs" / f"{vessels.name}.log",
            stdout=subprocess.PIPE,
        )
        child.start()
        return child

    async def _join(self, ha: Session) -> None:
        hub = await ha.hub()
        lines = [str(node["pair"]) for node in self.nodes]
        if hub is None:
            self.say(f"pairing {len(lines)} nodes with Home Assistant …")
            entry_id = await ha.add_brewery(lines[0])
            for line in lines[1:]:
                await ha.add_node(entry_id, line)
        else:
            entry_id = hub["entry_id"]
        if not self.bridge_config.exists():
            self.say("connecting the storage bridge …")
            token = await ha.connect_bridge(entry_id)
            await asyncio.to_thread(self._init_bridge, token)

    def _init_bridge(self, token: str) -> None:
        command: list[str | Path] = [
            *(BIN / "smart-beer-bridge", "init"),
            *("--home-assistant", f"ws://127.0.0.1:{self.port}/api/websocket", "--token-file", "-"),
            *("--data-dir", self.folder / "bridge" / "data", "--config", self.bridge_config),
        ]
        done = subprocess.run(
            command, input=token + "\n", text=True, capture_output=True, timeout=60, check=False
        )
        if done.returncode != 0:
            raise ChildDiedError(f"smart-beer-bridge init failed:\n{done.stdout}{done.stderr}")

    def kept_elsewhere(self) -> bool:
        """Whether an earlier run in this folder kept its samples in other stores."""
        if not self.bridge_config.exists():
            return False
        wanted = ["sqlite"] * 3 if self.stores is None else ["redis", "motor", "cassandra"]
        return drivers(self.bridge_config) != wanted

    def bridge_status(self) -> dict[str, Any]:
        """What `smart-beer-bridge status --json` says."""
        done = subprocess.run(
            [BIN / "smart-beer-bridge", "status", "--config", self.bridge_config, "--json"],
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
        if not done.stdout.strip():
            raise ChildDiedError(f"smart-beer-bridge status said nothing: {done.stderr}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    async def wait_bridge(self, patience: float = LOG_PATIENCE) -> None:
        """Wait until Home Assistant answers history questions through the bridge."""
        deadline = time.monotonic() + patience
        now = int(time.time() * 1000)
        question = {
            "type": "smart_beer/history",
            "series": ["none/none"],
            "start": now - 1000,
            "end": now,
            "points": 10,
        }
        while True:
            self.bridge.check()
            try:
                async with self.session as ha:
                    await ha.websocket(question)
            except (OSError, RuntimeError) as error:
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"the bridge did not register with Home Assistant: {error}"
                    ) from error
                await asyncio.sleep(0.5)
            else:
                return

    def pause_sampling(self) -> None:
        """Stop sampling on every node; they go on serving what they have."""
        for simulation in self.simulations:
            simulation.signal(signal.SIGUSR1)

    def check(self) -> None:
        """Raise ChildDiedError if something has ended; a store is started again instead."""
        for child in (self.home_assistant, self.bridge, *self.simulations):
            child.check()
        if self.stores is not None:
            for name in self.stores.revive():
                self.say(f"{name} had ended and was started again.")

    def stop(self) -> None:
        """Stop everything cleanly."""
        self.stop_brewing()
        if self.stores is not None:
            self.stores.stop()

    def stop_brewing(self) -> None:
        """Stop everything but the stores: first who reads, then who is read."""
        children = [
            child
            for child in (getattr(self, "bridge", None), getattr(self, "home_assistant", None))
            if child
        ]
        stop_all(children)
        stop_all(self.simulations)

    def empty(self) -> None:
        """Delete what an earlier run left."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _first_line(simulation: Child) -> dict[str, Any]:
    stdout = simulation.process.stdout
    assert stdout is not None
    if not select.select([stdout], [], [], LOG_PATIENCE)[0]:
        raise TimeoutError(
            f"{simulation.name} did not answer within {LOG_PATIENCE} s; "
            f"the log {simulation.log} ends:\n{simulation.tail()}"
        )
    line = stdout.readline()  # the line is written whole, or the process has ended
    if not line:
        simulation.process.wait(30)
        simulation.check()
    answer: dict[str, Any] = json.loads(line)
    return answer
