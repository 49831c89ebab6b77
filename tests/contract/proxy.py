"""A network between Home Assistant and a node, that a test can break."""

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Network:
    """Carries bytes to and from one port of this machine."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.carried = 0  # connections
        self._target = port
        self._running: list[asyncio.Event] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def hang(self) -> None:
        """From now on the connections that are open carry nothing more; new ones do."""
        for running in self._running:
            running.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.carried += 1
        running = asyncio.Event()
        running.set()
        self._running.append(running)
        there = await asyncio.open_connection("127.0.0.1", self._target)
        for one, other in ((reader, there[1]), (there[0], writer)):
            task = asyncio.create_task(_carry(one, other, running))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Let go of everything."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, running: asyncio.Event
) -> None:
    try:
        with suppress(OSError):
            while data := await reader.read(65536):
                await running.wait()
                writer.write(data)
                await writer.drain()
    finally:
        writer.close()


@asynccontextmanager
async def network(port: int) -> AsyncIterator[Network]:
    """A network to that port."""
    carrier = Network(port)
    server = await asyncio.start_server(carrier._serve, "127.0.0.1", 0)
    carrier.port = server.sockets[0].getsockname()[1]
    try:
        yield carrier
    finally:
        server.close()
        await carrier.close()
