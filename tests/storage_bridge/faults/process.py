"""The bridge, and movers beside it, as processes of their own."""

import asyncio
import json
import re
import signal
import sys
from pathlib import Path
from typing import Any, Final, override

import aiohttp

from storage_bridge.config import load
from storage_bridge.data_dir import RUNTIME
from storage_bridge.outbox_offline import read_status
from tests.storage_bridge.bridge_files import write_config

ROOT: Final = Path(__file__).parents[3]
START_S: Final = 60.0
END_S: Final = 45.0
QUICK: Final = "tests.storage_bridge.faults.bridge_child"  # in compressed time


class Process:
    """A Python module with arguments; its output goes to `folder`/log."""

    def __init__(self, folder: Path, *arguments: object) -> None:
        self.folder = folder
        self._arguments = [str(argument) for argument in arguments]
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def died(self) -> bool:
        """Whether it ended without having been told to."""
        return self._process is not None and not self.running

    async def start(self) -> None:
        """Start it, and return when it does its work."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *self._arguments, cwd=ROOT, stdout=log, stderr=log
            )

    async def kill(self) -> None:
        """SIGKILL; harmless when it has ended."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._process = None

    async def terminate(self) -> None:
        """End it as an operator does; it must end well."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(END_S):
            code = await self._process.wait()
        self._process = None
        assert code == 0, self.log()

    def log(self) -> str:
        """What it said."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""


class BridgeProcess(Process):
    """`storage_bridge run`, or another module that runs one."""

    def __init__(self, folder: Path, url: str, *, module: str = QUICK, **settings: object) -> None:
        self.config = write_config(folder, url, **settings)
        super().__init__(folder, module, "run", "--config", self.config)
        self._data = folder / "data"

    @override
    async def start(self) -> None:
        (self._data / RUNTIME).unlink(missing_ok=True)
        await super().start()
        assert self._process is not None
        async with asyncio.timeout(START_S):
            while not (self._data / RUNTIME).exists():
                assert self._process.returncode is None, self.log()
                await asyncio.sleep(0.05)

    async def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON of a GET of its API."""
        there = json.loads((self._data / RUNTIME).read_text())
        headers = {"Authorization": f"Bearer {there['secret']}"}
        timeout = aiohttp.ClientTimeout(20)
        async with (
            aiohttp.ClientSession(there["url"], headers=headers, timeout=timeout) as http,
            http.get(path) as response,
        ):
            return response.status, await response.json()

    async def status(self) -> dict[str, Any]:
        """What it says of itself."""
        found: dict[str, Any] = (await self.get("/v1/status"))[1]
        return found

    async def alarmed(self) -> bool:
        """Whether it tells a person that a tier takes nothing."""
        return bool((await self.status())["alarms"])

    async def filled(self, times: int) -> bool:
        """Whether it has filled hot so often."""
        return bool((await self.status())["tiers"]["hot"]["fills"] >= times)

    async def delivered(self) -> bool:
        """Whether warm has everything, and nothing is wrong or still to be filled."""
        status = await self.status()
        outbox, sinks, tiers = status["outbox"], status["sinks"], status["tiers"]
        return bool(
            outbox["cursors"]["warm"] == outbox["last_row"]
            and not any(sink["problem"] for sink in sinks.values())
            and not tiers["closed"]
            and not tiers["hot"]["filling"]
            and tiers["hot"]["problem"] is None
        )

    def resume(self, node_id: str) -> int:
        """Up to which number its outbox has everything of a node, as its file says."""
        ledger = read_status(load(self.config).outbox_path)["coverage"].get(node_id, [])
        return max((spool["resume"] for spool in ledger if spool["newest"]), default=0)


class MoverProcess(Process):
    """Archives without pause on the stores of that configuration."""

    def __init__(self, config: Path) -> None:
        number = len(list(config.parent.glob("mover-*")))
        module = "tests.storage_bridge.faults.mover_child"
        super().__init__(config.parent / f"mover-{number}", module, config)

    def failures(self, store: str) -> int:
        """How often a call to that store has failed; the name as sentences begin with it."""
        return sum(line.startswith(f"{store} at ") for line in self.log().splitlines())

    def hours(self) -> int:
        """How many hours it has taken a step further; those that failed are none."""
        steps = before = 0
        for *_, told in _HOUR.findall(self.log()):
            failed = int(told)
            steps += failed <= before
            before = failed
        return steps

    def is_moving(self) -> bool:
        """Whether the last thing it said is that an hour was done, and others of its pass not."""
        *_, last = self.log().splitlines() or [""]
        hour = _HOUR.fullmatch(last)
        return hour is not None and int(hour[1]) < int(hour[2])


_HOUR: Final = re.compile(r"^(\d+) of (\d+) hours, (\d+) failed$", re.MULTILINE)
