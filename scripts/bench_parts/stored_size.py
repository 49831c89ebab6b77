"""Bytes a sample in the embedded store, warm and cold, of recorded and simulated readings."""

import asyncio
import time
from contextlib import asynccontextmanager
from itertools import batched, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_node.simulation.kettle import KettleParameters
from edge_node.simulation.vessels import HeatedKettle, ReplayedFermenter
from storage_bridge.codec import encode
from storage_bridge.model import HOUR_MS, Sample, hour_of
from storage_bridge.tiers import embedded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from edge_node.simulation.vessels import Thermometer
    from storage_bridge.tiers import Tiers

_LOG: Final = Path(__file__).resolve().parents[2] / "tests" / "data" / "fermentation-2012-09-26.csv"
_T0: Final = 1_790_000_000_000 // HOUR_MS * HOUR_MS
_HOURS: Final = 18  # what the log holds
_KETTLE_HOURS: Final = 4
_PROBES: Final = 8
_BITS: Final = 12
_WRITE: Final = 480  # samples in one write: a minute of eight probes


def measure(folder: Path) -> dict[str, dict[str, float]]:
    """`{what: {warm, cold, csv}}`, each bytes a sample; CSV is `series,time,value`, a line each."""
    return {
        what: asyncio.run(_sizes(folder / str(number), rows))
        for number, (what, rows) in enumerate(readings(_HOURS, _KETTLE_HOURS).items())
    }


def readings(log_hours: int, kettle_hours: int) -> dict[str, list[Sample]]:
    """Samples of a beer's probes as recorded, and of a simulated kettle that heats up.

    As many probes of either: where a table is all there is, little of it would be mostly the
    store's own files.
    """
    fermenter = ReplayedFermenter(_LOG, 1.0, "bench", 0.0)
    kettle = HeatedKettle(KettleParameters(), 20.0, "bench", 0.0)
    probes = [kettle.thermometer(str(number)) for number in range(_PROBES)]
    kettle.set_power(3000.0, pump=True, now=0.0)
    return {
        "recorded fermentation": _readings(
            [fermenter.thermometer("beer", str(number)) for number in range(_PROBES)], log_hours
        ),
        "simulated kettle to the boil": _readings(probes, kettle_hours),
    }


def _readings(probes: list[Thermometer], hours: int) -> list[Sample]:
    """Probes read once a second, as a simulated node reads them."""
    return [
        Sample(f"bench/temperature_{n}", _T0 + s * 1000, probe(_BITS, float(s)) / 16, "ok", None)
        for s in range(hours * 3600)
        for n, probe in enumerate(probes)
    ]


async def _sizes(folder: Path, rows: list[Sample]) -> dict[str, float]:
    empty, warm, cold = folder / "empty.db", folder / "warm.db", folder / "cold.db"
    async with _store(empty):
        pass
    async with _store(warm) as tiers:
        for some in batched(rows, _WRITE, strict=False):
            await tiers.warm.write(some)
    async with _store(cold) as tiers:
        by_hour = sorted(rows, key=lambda row: (row.series, row.t))
        for _, hour in groupby(by_hour, lambda row: (row.series, hour_of(row.t))):
            await tiers.cold.write_chunk(encode(list(hour)))
    text = sum(len(f"{row.series},{_iso(row.t)},{row.value}\n") for row in rows)
    sizes = {"warm": _bytes(warm) - _bytes(empty), "cold": _bytes(cold) - _bytes(empty)}
    return {name: size / len(rows) for name, size in {**sizes, "csv": text}.items()}


@asynccontextmanager
async def _store(path: Path) -> AsyncIterator[Tiers]:
    tiers = embedded(path)
    await tiers.open()
    try:
        yield tiers
    finally:
        await tiers.close()


def _iso(t: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t / 1000))


def _bytes(path: Path) -> int:
    return path.stat().st_size
