"""What Home Assistant pays for 100 nodes of 8 channels at 1 Hz, ours beside the core's `rest`.

Both read the same stand-in for the nodes, one after the other in one run: a hundred real node
processes would not leave two cores anything to measure with. `rest` is set up as a user would:
one resource a node, read once a second, with a sensor for each channel.
"""

import asyncio
import json
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from scripts.demo_brewery.processes import Child

from .hass import Hass, running_hass, show_channels
from .rest_peer import REST_SENSORS, write_rest
from .stand_in import CHANNELS, MARKED, NODES
from .table import Report, percentile, spread
from .usage import Usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TITLE = f"{NODES} nodes of {CHANNELS} channels at 1 Hz in a real Home Assistant"
# The integration asks each node how it is every half minute or minute: the figure that counts is
# taken over a whole minute, the others over enough of one.
SECONDS: Final = 60
SHORT_S: Final = 30
IDLE_S: Final = 10
SETTLE_S: Final = 8
LATENCY_S: Final = 12
TARGET: Final = 0.1  # of the peer's cost


@dataclass(frozen=True, slots=True)
class Load:
    """What one way of reading cost while `samples` came in; CPU without what idling costs."""

    samples: int
    cpu_s: float
    loop_s: float
    database_bytes: int
    latency_ms: list[float]

    @property
    def cpu_per_1000(self) -> float:
        """CPU seconds a thousand samples."""
        return self.cpu_s / self.samples * 1000

    @property
    def loop_ms_per_1000(self) -> float:
        """Milliseconds of the event loop's thread a thousand samples."""
        return self.loop_s / self.samples * 1e6

    @property
    def database_per_1000(self) -> float:
        """Bytes of the database a thousand samples."""
        return self.database_bytes / self.samples * 1000


async def run(folder: Path) -> Report:
    """Idle, then streamed, polled, with every raw channel shown; then the peer."""
    async with _stand_in(folder / "nodes") as (nodes, child):
        async with running_hass(folder / "smart_beer") as hass:
            await asyncio.sleep(SETTLE_S)
            idle = await _idle(hass)
            await hass.pair(nodes["lines"])
            meter = _Meter(hass, idle, nodes)
            kettles = [f"sensor.kettle_{n:03d}_temperature" for n in range(MARKED)]
            streamed = await meter.measure(kettles)
            child.signal(signal.SIGUSR1)
            polled = await meter.measure(kettles, SHORT_S)
            child.signal(signal.SIGUSR1)
        show_channels(folder / "smart_beer")
        async with running_hass(folder / "smart_beer") as hass:
            shown = await _Meter(hass, idle, nodes).measure(kettles, SHORT_S)
        write_rest(folder / "rest", nodes["ports"])
        async with running_hass(folder / "rest") as hass:
            rest = await _Meter(hass, idle, nodes, by_state=True).measure(REST_SENSORS, SHORT_S)
    return _report({"stream": streamed, "poll": polled, "shown": shown, "rest": rest}, idle)


def _report(loads: dict[str, Load], idle: Usage) -> Report:
    report = Report()
    rest = loads["rest"]
    for name, what in (
        ("stream", "stream=1"),
        ("poll", "long poll"),
        ("shown", "stream=1, all 800 raw channels shown"),
    ):
        load = loads[name]
        target = name != "shown"
        for figure, mine, peer, unit in (
            ("CPU / 1,000", load.cpu_per_1000 * 1000, rest.cpu_per_1000 * 1000, "ms"),
            ("event loop / 1,000", load.loop_ms_per_1000, rest.loop_ms_per_1000, "ms"),
            ("database / 1,000", load.database_per_1000 / 1e3, rest.database_per_1000 / 1e3, "kB"),
        ):
            report.add(
                f"{what}: {figure}",
                f"{mine:.1f} {unit} ({mine / peer:.0%})",
                target=f"{TARGET:.0%} of the peer" if target else "",
                peer=f"{peer:.1f} {unit}",
                met=mine <= TARGET * peer if target else None,
            )
        report.add(
            f"{what}: change to event",
            spread(load.latency_ms),
            peer=f"p95 {percentile(rest.latency_ms, 95):.0f} ms",
        )
    report.figures = {name: asdict(load) for name, load in loads.items()}
    report.figures["idle_cpu_share"] = idle.cpu_s / IDLE_S
    report.notes += [
        f"{loads['stream'].samples:,} samples streamed in {SECONDS} s, {SHORT_S} s of the others.",
        f"What Home Assistant takes idle, {idle.cpu_s / IDLE_S:.1%} of a core, is taken off.",
        "Ours: 100 kettle sensors by deadband, and every sample in memory for the bridge.",
        "Peer: 100 resources of 8 sensors, scan_interval 1. Both over TLS. p50 / p95 / max.",
    ]
    return report


class _Meter:
    """Measures one Home Assistant. `by_state`: it reads `/v1/state`, which ours does rarely."""

    def __init__(
        self, hass: Hass, idle: Usage, nodes: dict[str, Any], *, by_state: bool = False
    ) -> None:
        self._by_state = by_state
        self._hass = hass
        self._idle = idle
        self._url = f"https://127.0.0.1:{nodes['ports'][0]}/bench/counts"

    async def measure(self, entities: list[str], seconds: float = SECONDS) -> Load:
        """The cost without anybody looking, then the latency of these entities' changes."""
        await asyncio.sleep(SETTLE_S)
        count, size, before = await self._samples(), self._hass.database(), Usage.of(self._hass.pid)
        await asyncio.sleep(seconds)
        used = Usage.of(self._hass.pid).since(before)
        count = await self._samples() - count
        if count < NODES * CHANNELS:
            raise RuntimeError(f"Home Assistant read {count} samples in {seconds} s")
        return Load(
            samples=count,
            cpu_s=used.cpu_s - self._idle.cpu_s / IDLE_S * seconds,
            loop_s=used.main_thread_s - self._idle.main_thread_s / IDLE_S * seconds,
            database_bytes=self._hass.database() - size,
            latency_ms=await self._hass.latencies(entities, LATENCY_S),
        )

    async def _samples(self) -> int:
        counts = await self._hass.ask_node(self._url)
        if self._by_state:
            return counts["states"] * CHANNELS
        return counts["rows"]


async def _idle(hass: Hass) -> Usage:
    before = Usage.of(hass.pid)
    await asyncio.sleep(IDLE_S)
    return Usage.of(hass.pid).since(before)


@asynccontextmanager
async def _stand_in(folder: Path) -> AsyncIterator[tuple[dict[str, Any], Child]]:
    folder.mkdir(parents=True)
    child = Child(
        "the stand-in for the nodes",
        [sys.executable, "-m", "scripts.bench_parts.stand_in", folder],
        folder / "log",
    )
    child.start()
    try:
        async with asyncio.timeout(30):
            while not (folder / "nodes.json").exists():
                child.check()
                await asyncio.sleep(0.1)
        yield json.loads((folder / "nodes.json").read_text()), child
    finally:
        await asyncio.to_thread(child.stop)
