"""The network of a node is away for longer than Home Assistant remembers: nothing is lost.

A node with many channels takes more in that time than the newest minute that Home Assistant
keeps, and more than the live loop catches up with, so what is missing can only come from the
node's spool.
"""

import asyncio
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from scripts.demo_brewery.brewery import Brewery, Vessels
from scripts.demo_brewery.check import stored, taken
from tests.ports import consecutive_ports

from .link import Link

if TYPE_CHECKING:
    from pathlib import Path

    from scripts.demo_brewery.home_assistant import Session

KETTLES = 14
AWAY_S = 80
LIVE_CATCH_UP = 1000  # rows; beyond it the live loop starts at the newest
PLAN = (
    Vessels(
        name="brewhouse",
        nodes=1,
        arguments=tuple(part for n in range(KETTLES) for part in ("--kettle", f"kettle-{n}")),
    ),
)


@dataclass
class DistantBrewery(Brewery):
    """A brewery whose node is reached through a link that can be cut."""

    links: list[Link] = field(default_factory=list)

    async def _join(self, ha: Session) -> None:
        for node in self.nodes:
            link = Link(int(str(node["url"]).rpartition(":")[2]))
            await link.mend()
            self.links.append(link)
            node["pair"] = re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{link.port}", node["pair"])
        await super()._join(ha)


async def _spool(ha: Session) -> dict[str, object]:
    answer = await ha.websocket({"type": "smart_beer/spools"})
    (node,) = answer["nodes"].values()
    return dict(node)


async def _until_connected(brewery: Brewery, connected: bool) -> None:
    deadline = time.monotonic() + 120
    while True:
        async with brewery.session as ha:
            if (await _spool(ha)).get("connected") is connected:
                return
        assert time.monotonic() < deadline, f"the node never became connected={connected}"
        await asyncio.sleep(0.5)


@pytest.mark.slow
@pytest.mark.timeout(420)
async def test_what_was_taken_while_the_network_was_away_arrives_once_and_in_order(
    tmp_path: Path,
) -> None:
    port = consecutive_ports(2)
    brewery = DistantBrewery(folder=tmp_path, node_port=port, port=port + 1, plan=PLAN)
    async with brewery:
        await _until_connected(brewery, connected=True)
        (link,) = brewery.links
        link.cut()
        before = Counter(taken(brewery))
        await _until_connected(brewery, connected=False)
        await asyncio.sleep(AWAY_S)
        deadline = time.monotonic() + 60
        while len(during := Counter(taken(brewery)) - before) <= LIVE_CATCH_UP:
            assert time.monotonic() < deadline, f"no more than {len(during)} samples were taken"
            await asyncio.sleep(1)
        assert not set(during) & set(await stored(brewery))
        await link.mend()
        await _until_connected(brewery, connected=True)
        await asyncio.sleep(3)
        brewery.pause_sampling()
        await asyncio.sleep(2)
        deadline = time.monotonic() + 120
        # Each time anew: a slow node may still have been taking its last.
        while set(taken(brewery)) != set(await stored(brewery)) and time.monotonic() < deadline:
            await asyncio.sleep(1)
        status = brewery.bridge_status()
    everything = Counter(taken(brewery))
    assert await stored(brewery) == everything
    assert max(everything.values()) == 1
    ((spool,),) = status["coverage"].values()
    assert spool["gaps"] == []
    assert len(spool["coverage"]) == 1  # one unbroken run of numbers: in order
    link.cut()
