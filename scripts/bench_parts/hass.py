"""A real Home Assistant to be measured, and what is asked of it."""

import asyncio
import contextlib
import json
import sqlite3
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp

from edge_node.simulate_state import free_ports
from scripts.demo_brewery import seed
from scripts.demo_brewery.home_assistant import Session, home_assistant

from .stand_in import CHANNELS, MARKED, NODES, marked_value

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scripts.demo_brewery.processes import Child

_REPEATS: Final = 100  # seconds after which a marked node's value comes again


class Hass:
    """A running Home Assistant on a folder of its own."""

    def __init__(self, child: Child, folder: Path, url: str, token: str) -> None:
        self.child = child
        self._folder = folder
        self._url = url
        self._token = token

    @property
    def pid(self) -> int:
        """The process."""
        return self.child.process.pid

    def database(self) -> int:
        """Bytes of the recorder's database, with what is still in its log."""
        path = self._folder / "home-assistant_v2.db"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            pages, free, size = (
                db.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
        return int((pages - free) * size)

    async def pair(self, lines: list[str]) -> None:
        """Add the brewery and every node, through the flows."""
        async with Session(self._url, self._token) as ha:
            entry = await ha.add_brewery(lines[0])
            for line in lines[1:]:
                await ha.add_node(entry, line)

    async def latencies(self, entities: list[str], seconds: float) -> list[float]:
        """From the second of a marked node's reading to the event of its entity, in ms."""
        seen: list[float] = []
        end = time.time() + seconds
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(f"{self._url}/api/websocket", max_msg_size=0) as ws,
        ):
            await self._log_in(ws)
            await ws.send_json({"id": 1, "type": "subscribe_entities", "entity_ids": entities})
            while (left := end - time.time()) > 0:
                try:
                    message = await ws.receive_json(timeout=left)
                except TimeoutError:
                    break
                now = time.time()
                changes = message.get("event", {}).get("c", {})
                states = [change.get("+", {}).get("s") for change in changes.values()]
                seen += [_age_ms(float(state), now) for state in states if state is not None]
        if len(seen) < MARKED:
            raise RuntimeError(f"only {len(seen)} changes of {entities[0]} and others were seen")
        return seen

    async def ask_node(self, url: str) -> dict[str, int]:
        """A JSON answer of the stand-in, whose certificate is nobody's business here."""
        async with aiohttp.ClientSession() as http, http.get(url, ssl=False) as response:
            answer: dict[str, int] = await response.json()
            return answer

    async def _log_in(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        await ws.receive_json()
        await ws.send_json({"type": "auth", "access_token": self._token})
        await ws.receive_json()


def _age_ms(value: float, now: float) -> float:
    """How long ago a marked node said this value."""
    for age in range(_REPEATS):
        second = int(now) - age
        if abs(marked_value(second) - value) < 0.01:
            return (now - second) * 1000
    raise RuntimeError(f"{value} is no value of a marked node")


def show_channels(folder: Path) -> None:
    """Enable the sensors of all raw channels, as a person can; Home Assistant must not run."""
    path = folder / ".storage" / "core.entity_registry"
    registry = json.loads(path.read_text())
    hidden = [
        entity
        for entity in registry["data"]["entities"]
        if entity["platform"] == "smart_beer" and entity["translation_key"] == "channel"
    ]
    if len(hidden) != NODES * CHANNELS:
        raise RuntimeError(f"there are {len(hidden)} raw channels, not {NODES * CHANNELS}")
    for entity in hidden:
        entity["disabled_by"] = None
    path.write_text(json.dumps(registry))


@contextlib.asynccontextmanager
async def running_hass(folder: Path) -> AsyncIterator[Hass]:
    """Home Assistant once it runs."""
    (port,) = free_ports(1)
    token = await asyncio.to_thread(seed.make_config, folder, port)
    child = home_assistant(Path(sys.executable).parent / "hass", folder, folder.with_suffix(".log"))
    child.start()
    try:
        url = f"http://127.0.0.1:{port}"
        async with Session(url, token) as ha:
            await ha.wait_running(child)
        yield Hass(child, folder, url, token)
    finally:
        await asyncio.to_thread(child.stop)
