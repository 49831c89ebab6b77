"""The processes of a simulated brewery: started again a second after they died, as by systemd."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Final

import aiohttp

from edge_node.hardware.outputs import open_outputs
from edge_node.simulate_state import SimulatedNode

_LOGGER = logging.getLogger(__name__)

_RESTART_S: Final = 1.0
_STOP_S: Final = 15.0
_POLL_S: Final = 0.1


class _Kept(ABC):
    """Keeps one process running until it is stopped."""

    def __init__(self, name: str) -> None:
        self.pid: int | None = None
        self._name = name
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    @abstractmethod
    def _command(self) -> list[str]:
        """What to run."""

    def _environment(self) -> dict[str, str]:
        return dict(os.environ)

    async def _ended(self) -> None:  # noqa: B027  most need nothing
        """What the service manager does whenever the process has ended."""

    async def run(self) -> None:
        """Start the process, and again whenever it ends, until `stop`."""
        while not self._stopping.is_set():
            # Out of this terminal's group: Ctrl-C reaches the parent, which stops the others.
            # What a node prints is for people, and stdout is for the one line of JSON.
            process = await asyncio.create_subprocess_exec(
                *self._command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sys.stderr,
                env=self._environment(),
                start_new_session=True,
            )
            self._process, self.pid = process, process.pid
            try:
                status = await process.wait()
            except asyncio.CancelledError:
                await self._end(process)
                raise
            finally:
                self._process = None
                await self._ended()
            if self._stopping.is_set():
                return
            _LOGGER.warning("%s (process %d) ended with %d", self._name, process.pid, status)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _RESTART_S)

    async def stop(self) -> None:
        """End the process cleanly, by force if it takes too long."""
        self._stopping.set()
        if self._process is not None:
            await self._end(self._process)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            _LOGGER.error("%s does not end; killed", self._name)  # noqa: TRY400
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


class NodeProcess(_Kept):
    """A node."""

    def __init__(self, node: SimulatedNode) -> None:
        super().__init__(f"Node {node.identity.node_id}")
        self.node = node
        self._paused = False

    def pause(self) -> None:
        """Stop sampling, now and after every restart."""
        self._paused = True
        self._signal(signal.SIGUSR1)

    async def answering(self) -> None:
        """Return once the node answers over HTTPS with its own certificate."""
        fingerprint = aiohttp.Fingerprint(bytes.fromhex(self.node.identity.fingerprint))
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                try:
                    async with session.get(
                        f"{self.node.url}/v1/identity", ssl=fingerprint
                    ) as response:
                        if response.status == 200:
                            return
                except (aiohttp.ClientError, TimeoutError):
                    pass  # not up yet
                await asyncio.sleep(_POLL_S)

    def _command(self) -> list[str]:
        command = [
            *(sys.executable, "-m", "edge_node", "run"),
            *("--config", str(self.node.config_path)),
            *("--standing-code-file", str(self.node.code_path)),
            *("--parent", str(os.getpid()), "--pausable"),
        ]
        return [*command, "--paused"] if self._paused else command

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "RUNTIME_DIRECTORY": str(self.node.runtime_dir)}

    async def _ended(self) -> None:
        """Set the safe levels, as ExecStopPost does; remove the folder in memory."""
        outputs = await asyncio.to_thread(open_outputs, self.node.config_path)
        outputs.close()
        (self.node.runtime_dir / "heartbeat").unlink(missing_ok=True)


class GuardProcess(_Kept):
    """The guard of the node whose runtime folder this is; it pulses `enable_file`."""

    def __init__(self, enable_file: Path, runtime_dir: Path) -> None:
        super().__init__(f"The guard of {enable_file.name}")
        self._enable_file = enable_file
        self._heartbeat = runtime_dir / "heartbeat"

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "edge_node.simulate_guard", str(os.getpid())),
            *("--heartbeat", str(self._heartbeat), "--file", str(self._enable_file)),
        ]
