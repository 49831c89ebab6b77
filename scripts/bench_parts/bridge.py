"""The real bridge on one core: from the websocket into its durable store, and bytes a sample."""

import asyncio
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from scripts.demo_brewery.processes import Child
from tests.storage_bridge.fake_home_assistant import TOKEN

from .fake_hass import BACKLOG, CHANNELS, NODES
from .running_bridge import RunningBridge, running_bridge
from .stored_size import measure
from .table import Report
from .usage import Usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TITLE = "the bridge on one core, websocket to durable embedded store"
LIVE_S: Final = 15
_SAMPLES: Final = NODES * BACKLOG
_CORE: Final = ("taskset", "-c", "0")


async def run(folder: Path) -> Report:
    """A backlog as fast as it goes, then the nodes live; SQLite alone; sizes."""
    report = Report()
    async with (
        _home(folder / "home") as (url, child),
        running_bridge(folder / "bridge", url, TOKEN, prefix=_CORE) as bridge,
    ):
        took, used = await _drained(bridge, _SAMPLES)
        child.signal(signal.SIGUSR1)
        live = await _live(bridge)
    alone = await _alone(folder / "alone.db")
    rate, plain = _SAMPLES / took, _SAMPLES / alone
    report.add(
        "a backlog, samples a second",
        f"{rate:,.0f} ({rate / plain:.0%} of SQLite alone)",
        peer=f"SQLite alone {plain:,.0f}",
    )
    report.add("CPU a sample, backlog", f"{used.cpu_s / _SAMPLES * 1e6:.1f} us")
    report.add(
        f"CPU a sample, {NODES} nodes live",
        f"{live['cpu_us']:.0f} us ({live['share']:.1%} of the core)",
    )
    report.add("tick to outbox commit, live, p95", f"{live['latency_ms']['p95']:.0f} ms")
    report.figures |= {
        "samples": _SAMPLES,
        "seconds": took,
        "cpu_s": used.cpu_s,
        "written_bytes": used.write_bytes,
        "sqlite_alone_seconds": alone,
        "live": live,
    }
    for what, size in (await asyncio.to_thread(measure, folder / "sizes")).items():
        report.add(
            f"{what}: bytes a sample",
            f"warm {size['warm']:.1f}, cold {size['cold']:.2f}",
            peer=f"CSV {size['csv']:.1f}",
        )
        report.figures[what] = size
    report.notes.append(
        f"{_SAMPLES:,} samples in events of 1,000; done when the warm tier holds all of them. "
        "The bridge also commits each event to its outbox and keeps a row a minute beside them."
    )
    return report


async def _drained(bridge: RunningBridge, samples: int) -> tuple[float, Usage]:
    """Seconds from the subscription until the warm tier has them all, and what they cost."""
    before, began = Usage.of(bridge.pid), time.monotonic()
    async with asyncio.timeout(120):
        while True:
            status = await bridge.get("/v1/status", [])
            if not status["source"]["connected"]:
                before, began = Usage.of(bridge.pid), time.monotonic()
            if status["sinks"]["warm"]["written"] >= samples:
                break
            await asyncio.sleep(0.1)
    return time.monotonic() - began, Usage.of(bridge.pid).since(before)


async def _live(bridge: RunningBridge) -> dict[str, Any]:
    await asyncio.sleep(3)
    before = Usage.of(bridge.pid)
    await asyncio.sleep(LIVE_S)
    used = Usage.of(bridge.pid).since(before)
    status = await bridge.get("/v1/status", [])
    return {
        "cpu_us": used.cpu_s / (LIVE_S * NODES * CHANNELS) * 1e6,
        "share": used.cpu_s / LIVE_S,
        "written_bytes": used.write_bytes,
        "latency_ms": status["latency_ms"],
    }


async def _alone(path: Path) -> float:
    child = await asyncio.create_subprocess_exec(
        *(*_CORE, sys.executable, "-m", "scripts.bench_parts.sqlite_alone"),
        *(str(path), str(_SAMPLES)),
        stdout=subprocess.PIPE,
    )
    out, _ = await child.communicate()
    if child.returncode != 0:
        raise RuntimeError(f"SQLite alone ended with {child.returncode}")
    return float(out)


@asynccontextmanager
async def _home(folder: Path) -> AsyncIterator[tuple[str, Child]]:
    folder.mkdir(parents=True)
    child = Child(
        "the stand-in for Home Assistant",
        [sys.executable, "-m", "scripts.bench_parts.fake_hass", folder],
        folder / "log",
    )
    child.start()
    try:
        async with asyncio.timeout(30):
            while not (folder / "url").exists():
                child.check()
                await asyncio.sleep(0.05)
        yield (folder / "url").read_text(), child
    finally:
        await asyncio.to_thread(child.stop)
