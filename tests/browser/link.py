"""The network between Home Assistant and a node: a TCP relay that can be taken away."""

import asyncio
import contextlib

from scripts.servers import free_port


class Link:
    """Relays 127.0.0.1:`port` to `target`; `cut` drops everything, `mend` restores it."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = free_port()  # nobody else gets it while it is cut
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def mend(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)

    def cut(self) -> None:
        """Refuse new connections and abort those that there are."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _relay(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, out = await asyncio.open_connection("127.0.0.1", self.target)
        self._writers |= {back, out}
        try:
            if self._server is None or not self._server.is_serving():
                return  # cut meanwhile
            await asyncio.gather(_copy(near, out), _copy(far, back))
        finally:
            for writer in (back, out):
                writer.transport.abort()
            self._writers -= {back, out}


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    if target.can_write_eof() and not target.is_closing():
        target.write_eof()
