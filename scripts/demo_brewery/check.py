"""The demo without a person: photographs it, breaks it if asked, proves that nothing is missing."""

import asyncio
import json
import os
import signal
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from edge_node.spool import read_file
from storage_bridge.config import load
from storage_bridge.reader import Reader
from storage_bridge.stored import all_series, open_store, pages, span_of
from storage_bridge.tiers import embedded

from . import browser, past
from .driving import Driven, MashTun, drive

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from scripts.servers import Child as Server
    from storage_bridge.model import Sample

    from .brewery import Brewery
    from .home_assistant import Session

DRAIN_PATIENCE = 180
_CONFLICTS: Final = 100_000

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
    tiers: dict[str, int] | None = None  # samples in each, where the stores are servers


def taken(brewery: Brewery) -> Iterator[Key]:
    """`(series, t)` of every row in the nodes' spools."""
    for spool in sorted((brewery.folder / "nodes").glob("*/**/spool.db")):
        for sample in read_file(spool):
            yield sample.series, sample.t


async def stored(brewery: Brewery, *, durable: bool = False) -> Counter[Key]:
    """`(series, t)` of every sample of a node in all of the bridge's tiers.

    With `durable` in warm and cold alone: hot is a cache. More than once where a second content
    came for it.
    """
    found: Counter[Key] = Counter()
    config = load(brewery.bridge_config)
    async with open_store(config) as tiers:
        # A hot tier that has only the warm tier's rows is not read.
        read = tiers._replace(hot=embedded(config.store_path).hot) if durable else tiers
        for name in await all_series(tiers):
            if name == past.SERIES:
                continue
            async for samples in pages(Reader(*read), name, *await span_of(tiers, name)):
                found.update((sample.series, sample.t) for sample in samples)
        for conflict in await tiers.warm.conflicts(_CONFLICTS):
            found[conflict.refused.series, conflict.refused.t] += 1
    return found


async def archived(brewery: Brewery) -> list[Sample]:
    """Import the day that is 31 days old and archive it, beside the running bridge."""
    config = load(brewery.bridge_config)
    samples = await past.import_day(config)
    await asyncio.to_thread(past.archive_now, config)
    return samples


async def count_tiers(brewery: Brewery, old: list[Sample]) -> dict[str, int]:
    """Samples in each tier; cold counts for nothing unless it holds exactly `old` of its series."""
    async with open_store(load(brewery.bridge_config)) as tiers:
        hot, warm, cold = [await tier.count() for tier in (tiers.hot, tiers.warm, tiers.cold)]
        whole = await past.is_archived(tiers, old)
    return {"hot": hot, "warm": warm, "cold": cold if whole else 0}


async def check(brewery: Brewery, seconds: float, *, chaos: bool) -> Summary:
    """Let a started brewery run, compare what was taken with what is stored, and stop it."""
    began = time.monotonic()
    old: list[Sample] = []
    if brewery.stores is not None:
        brewery.say("importing a day that is 31 days old, and archiving it …")
        old = await archived(brewery)
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
    while time.monotonic() < deadline:
        if set(expected) <= set(await stored(brewery, durable=True)):
            break
        await asyncio.sleep(1)
    latency = brewery.bridge_status()["latency_ms"]
    await asyncio.to_thread(brewery.stop_brewing)
    tiers = await count_tiers(brewery, old) if old else None
    store, durable = await stored(brewery), await stored(brewery, durable=True)
    took = Counter(taken(brewery))
    summary = compare(expected, took, store, latency, shots, len(brewery.nodes), driven, tiers)
    if lost := set(took) - set(durable):
        brewery.say(f"{len(lost)} samples are in the hot tier only")
        return replace(summary, ok=False, missing=max(summary.missing, len(lost)))
    return summary


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
    tiers: dict[str, int] | None = None,
) -> Summary:
    """The verdict: ok if both sets are equal, without doubles, not empty, and it obeyed.

    Where the tiers were counted, none may be empty either.
    """
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
            and (tiers is None or all(tiers.values()))
        ),
        nodes=nodes,
        samples_taken=sum(took.values()),
        samples_stored=len(store),
        missing=len(missing),
        duplicates=duplicates,
        latency_ms={name: latency[name] for name in ("p50", "p95", "max")},
        screenshots=shots,
        driven=driven,
        tiers=tiers,
    )


async def _chaos(brewery: Brewery) -> None:
    """Send SIGKILL to a node, Home Assistant, the bridge and each of the stores' servers.

    Each after the last has recovered.
    """
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
    for name, server in {} if brewery.stores is None else brewery.stores.servers.items():
        brewery.say(f"kill -9 {name} …")
        await _kill(brewery, name, server)


async def _kill(brewery: Brewery, name: str, server: Server) -> None:
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(5)
    await asyncio.to_thread(server.start)
    before = await asyncio.to_thread(_written, brewery)
    await _until(lambda: _served(brewery, before), f"{name} serves the bridge again", 120)


async def _spools(ha: Session) -> dict[str, Any]:
    answer: dict[str, Any] = (await ha.websocket({"type": "smart_beer/spools"}))["nodes"]
    return answer


async def _grown(brewery: Brewery, node_id: str, before: int) -> bool:
    async with brewery.session as ha:
        node = (await _spools(ha))[node_id]
        return bool(node["connected"]) and node["last_seq"] > before + 5


def _written(brewery: Brewery) -> dict[str, int]:
    """Samples that the bridge has written into each tier that it feeds."""
    sinks = brewery.bridge_status()["sinks"]
    return {name: sink["written"] for name, sink in sinks.items() if not sink["problem"]}


async def _served(brewery: Brewery, before: dict[str, int]) -> bool:
    """Whether every tier has taken samples since, and the archived day can be charted."""
    now = await asyncio.to_thread(_written, brewery)
    if not all(name in now and now[name] > before.get(name, 0) for name in ("hot", "warm")):
        return False
    # Two days: midnight may have passed since the one was imported.
    end = past.start_of(time.time_ns() // 1_000_000) + past.DAY_MS
    chart = {"series": [past.SERIES], "start": end - 2 * past.DAY_MS, "end": end, "points": 48}
    try:
        async with brewery.session as ha:
            answer = await ha.websocket({"type": "smart_beer/history", **chart})
    except OSError, RuntimeError:  # a bridge that still waits for a store is too slow for it
        return False
    return len(answer["series"][past.SERIES]) == 24 and not answer["partial"]


async def _until(holds: Callable[[], Awaitable[bool]], what: str, patience: float = 60) -> None:
    deadline = time.monotonic() + patience
    while not await holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience:.0f} s for this, and it did not come: {what}")
        await asyncio.sleep(0.5)


def print_summary(summary: Summary, folder: Path) -> None:
    """For a person, then for a program: the last line is JSON."""
    latency, driven = summary.latency_ms, summary.driven
    tiers = {} if summary.tiers is None else {"tiers": summary.tiers}
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
    for name, count in tiers.get("tiers", {}).items():
        print(f"{name:<17}{count} samples")
    print(
        json.dumps({key: value for key, value in asdict(summary).items() if key != "tiers"} | tiers)
    )
