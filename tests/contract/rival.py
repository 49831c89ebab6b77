"""Another server that wants the kettle: the same rules, driven over HTTP without Home Assistant."""

import asyncio
import random
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from custom_components.smart_beer.exceptions import SmartBeerError
from custom_components.smart_beer.lease import Leadership
from custom_components.smart_beer.lease_messages import Ask, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from custom_components.smart_beer.client import SmartBeerClient
    from custom_components.smart_beer.lease_messages import Request

RIVAL = "server-b"


class Rival:
    """One kettle's leadership on another server."""

    def __init__(self, kettle_id: str, clients: Mapping[str, SmartBeerClient]) -> None:
        self.core = Leadership(
            server_id=RIVAL, session="rival", members=tuple(clients), rng=random.Random(7)
        )
        self.statuses: list[tuple[Ask, int]] = []
        self._kettle_id = kettle_id
        self._clients = clients

    @property
    def leads(self) -> bool:
        """Whether this server leads."""
        return self.core.leads(_now())

    async def run(self) -> None:
        """Contend and renew for ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                for request in self.core.due(_now(), fit=True):
                    group.create_task(self._ask(request))
                await asyncio.sleep(0.1)

    async def release(self) -> None:
        """Give the kettle back for good."""
        await asyncio.gather(*(self._ask(request) for request in self.core.stop(_now())))

    async def acquire(self, node_id: str) -> dict[str, Any]:
        """Ask for the lease as if nobody had it; the node's answer."""
        client = self._clients[node_id]
        stamp = await client.lease("status", self._kettle_id, None, limit=5)
        body = {
            "kettle_id": self._kettle_id,
            "server_id": RIVAL,
            "session": "rival",
            "epoch": (stamp["promised_epoch"] or 0) + 2**20,
            "echo": {"boot_id": stamp["boot_id"], "mono_ms": stamp["mono_ms"]},
        }
        return await client.lease("acquire", self._kettle_id, body, limit=5)

    async def _ask(self, request: Request) -> None:
        body = None if request.ask is Ask.STATUS else self.core.body(request, self._kettle_id)
        try:
            content = await self._clients[request.node_id].lease(
                request.ask, self._kettle_id, body, limit=5
            )
        except SmartBeerError:
            self.core.failed(request, _now())
            return
        self.statuses.append((request.ask, content["status"]))
        if request.ask is not Ask.RELEASE:
            self.core.answered(request, Reply.of(content["status"], content), _now())


def _now() -> int:
    return time.monotonic_ns() // 1_000_000


@asynccontextmanager
async def contending(rival: Rival) -> AsyncIterator[Rival]:
    """The rival runs until the block ends."""
    task = asyncio.create_task(rival.run())
    try:
        yield rival
    finally:
        task.cancel()
        await asyncio.wait([task])
