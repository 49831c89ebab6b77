"""The demo without a person: photographs it, breaks it if asked, proves that nothing is missing."""

import asyncio
import json
import os
import signal
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edge_node.spool import read_file
from storage_bridge.tiers.sqlite_keys import iter_keys

from . import browser
from .driving import Driven, MashTun, drive

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from .brewery import Brewery
    from .home_assistant import Session

DRAIN_PATIENCE = 180

type Key = tuple[str, int]


@dataclass
class Summary:
    """The proof's last line."""

    ok: bool
    nodes: int
    samples_taken: int
    samples_stored: int
    missing: int
    duplicates: int
    latency_ms: dict[str, float]
    screenshots: list[str]
    driven: Driven


def taken(brewery: Brewery) -> Iterator[Key]:
    """`(series, t)` of every row in the nodes' spools."""
    for spool in sorted((brewery.folder / "nodes").glob("*/**/spool.db")):
        for sample in read_file(spool):
            yield sample.series, sample.t


def stored(brewery: Brewery) -> Iterator[Key]:
    """`(series, t)` of every sample in the bridge's tiers."""
    return iter_keys(brewery.folder / "bridge" / "data" / "store.db")


async def check(brewery: Brewery, seconds: float, *, chaos: bool) -> Summary:
    """Let a started brewery run, compare what was taken with what is stored, and stop it."""
    began = time.monotonic()
    if chaos:
        await _chaos(brewery)
    brewery.say("driving the mash tun from the dashboard …")
    driven = await _drive(brewery)
    rest = max(10.0, seconds - (time.monotonic() - began))
    brewery.say(f"brewing for {rest:.0f} s …")
    await asyncio.sleep(rest)
    brewery.say("photographing the dashboard …")
    shots = await browser.screenshots(brewery.url, brewery.folder / "screenshots")
    brewery.say("sampling stops; what the nodes took must arrive …")
    brewery.pause_sampling()
    await asyncio.sleep(2)  # the tick under way
    expected = Counter(taken(brewery))
    deadline = time.monotonic() + DRAIN_PATIENCE
    while time.monotonic() < deadline and not set(expected) <= set(stored(brewery)):
        await asyncio.sleep(1)
    latency = brewery.bridge_status()["latency_ms"]
    await asyncio.to_thread(brewery.stop)
    return compare(
        expected,
        Counter(taken(brewery)),
        Counter(stored(brewery)),
        latency,
        shots,
        len(brewery.nodes),
        driven,
    )


async def _drive(brewery: Brewery) -> Driven:
    async with browser.chromium() as running, browser.page(running) as tab:
        await browser.open_dashboard(tab, brewery.url)
        return await drive(MashTun(brewery, tab))


def compare(
    expected: Counter[Key],
    took: Counter[Key],
    store: Counter[Key],
    latency: dict[str, Any],
    shots: list[str],
    nodes: int,
    driven: Driven,
) -> Summary:
    """The verdict: ok if both sets are equal, without doubles, not empty, and it obeyed."""
    missing = (set(expected) | set(took)) - set(store)
    invented = set(store) - set(took)
    duplicates = sum(took.values()) - len(took) + sum(store.values()) - len(store)
    return Summary(
        ok=(
            not missing
            and not invented
            and not duplicates
            and len(took) > 0
            and len(shots) > 0
            and driven.ok
        ),
        nodes=nodes,
        samples_taken=sum(took.values()),
        samples_stored=len(store),
        missing=len(missing),
        duplicates=duplicates,
        latency_ms={name: latency[name] for name in ("p50", "p95", "max")},
        screenshots=shots,
        driven=driven,
    )


async def _chaos(brewery: Brewery) -> None:
    """Send SIGKILL to a node, Home Assistant and the bridge, each after the last has recovered."""
    await asyncio.sleep(10)
    victim = brewery.nodes[0]
    brewery.say(
        f"kill -9 {victim['node_id']} (systemd's part is played by simulate: it comes back) …"
    )
    async with brewery.session as ha:
        before = (await _spools(ha))[victim["node_id"]]["last_seq"]
        os.kill(victim["pid"], signal.SIGKILL)
        await _until(
            lambda: _grown(brewery, str(victim["node_id"]), before),
            "the killed node is sampling again",
        )
    brewery.say("kill -9 Home Assistant …")
    brewery.home_assistant.kill()
    await asyncio.sleep(5)
    brewery.home_assistant.start()
    async with brewery.session as ha:
        await ha.wait_running(brewery.home_assistant)
    await brewery.wait_bridge(120)
    brewery.say("kill -9 the storage bridge …")
    brewery.bridge.kill()
    await asyncio.sleep(5)
    brewery.bridge.start()
    await brewery.wait_bridge(120)


async def _spools(ha: Session) -> dict[str, Any]:
    answer: dict[str, Any] = (await ha.websocket({"type": "smart_beer/spools"}))["nodes"]
    return answer


async def _grown(brewery: Brewery, node_id: str, before: int) -> bool:
    async with brewery.session as ha:
        node = (await _spools(ha))[node_id]
        return bool(node["connected"]) and node["last_seq"] > before + 5


async def _until(holds: Callable[[], Awaitable[bool]], what: str, patience: float = 60) -> None:
    deadline = time.monotonic() + patience
    while not await holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience:.0f} s for this, and it did not come: {what}")
        await asyncio.sleep(0.5)


def print_summary(summary: Summary, folder: Path) -> None:
    """For a person, then for a program: the last line is JSON."""
    latency, driven = summary.latency_ms, summary.driven
    print(f"""
nodes            {summary.nodes}
samples taken    {summary.samples_taken}
samples stored   {summary.samples_stored}
missing          {summary.missing}
duplicates       {summary.duplicates}
driven           pump {"on and off" if driven.pump_on and driven.pump_off else "NOT obeyed"}, \
{driven.setpoint:.0f} °C set, {"heated" if driven.heating else "NOT heated"}, \
+{driven.rose_k} K on the screen, {"off again" if driven.heat_off else "STILL ON"}
tick to outbox   p50 {latency["p50"]} ms, p95 {latency["p95"]} ms, max {latency["max"]} ms
screenshots      {", ".join(summary.screenshots)}
logs             {folder / "logs"}
""")
    print(json.dumps(asdict(summary)))
