"""A node process of a simulated brewery: started again a second after it died, as systemd would."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from typing import Final

import aiohttp

from edge_node.simulate_state import SimulatedNode

_LOGGER = logging.getLogger(__name__)

_RESTART_S: Final = 1.0
_STOP_S: Final = 15.0
_POLL_S: Final = 0.1


class NodeProcess:
    """Keeps one node running until it is stopped."""

    def __init__(self, node: SimulatedNode) -> None:
        self.node = node
        self.pid: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._paused = False

    async def run(self) -> None:
        """Start the node, and again whenever it ends, until `stop`."""
        node_id = self.node.identity.node_id
        while not self._stopping.is_set():
            command = [
                *(sys.executable, "-m", "edge_node", "run"),
                *("--config", str(self.node.config_path)),
                *("--standing-code-file", str(self.node.code_path)),
                *("--parent", str(os.getpid()), "--pausable"),
            ]
            if self._paused:
                command.append("--paused")
            # Out of this terminal's group: Ctrl-C reaches the parent, which stops the nodes.
            # What a node prints is for people, and stdout is for the one line of JSON.
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sys.stderr,
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
            if self._stopping.is_set():
                return
            _LOGGER.warning("Node %s (process %d) ended with %d", node_id, process.pid, status)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _RESTART_S)

    def pause(self) -> None:
        """Stop sampling, now and after every restart."""
        self._paused = True
        self._signal(signal.SIGUSR1)

    async def stop(self) -> None:
        """End the node cleanly, by force if it takes too long."""
        self._stopping.set()
        if self._process is not None:
            await self._end(self._process)

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
            _LOGGER.error("Node %s does not end; killed", self.node.identity.node_id)  # noqa: TRY400
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
