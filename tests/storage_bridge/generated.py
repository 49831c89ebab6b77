"""Generated samples and archives, for tests and benchmarks."""

import math
import random
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from storage_bridge.codec import Chunk, decode, encode, generation
from storage_bridge.model import HOUR_MS, Sample
from storage_bridge.tiers.sqlite_cold import SqliteCold
from storage_bridge.tiers.sqlite_store import SqliteStore

HOUR = 1_700_000_000_000 // HOUR_MS * HOUR_MS
SERIES = "mash-a/mash_temp"


def probe_hour(
    hour: int, seed: int = 0, *, series: str = SERIES, step_ms: int = 1000
) -> list[Sample]:
    """An hour of a 12-bit probe, sampled on the second: steps of 1/16 degree, a little noise."""
    dice = random.Random(seed)
    return [
        Sample(
            series,
            hour + at,
            round(16 * (64 + 2 * math.sin(at / 900_000 + seed) + dice.gauss(0, 0.03))) / 16,
            "ok",
            "batch-1",
        )
        for at in range(0, HOUR_MS, step_ms)
    ]


def archive(series: str, first_hour: int, hours: int, patterns: int = 24) -> Iterator[Chunk]:
    """Full hours at 1 Hz as chunks: each true in itself, the values repeat after `patterns` hours.

    A blob does not say which hour it is, so one encoding serves many hours: a year takes seconds.
    """
    bases = [encode(probe_hour(0, seed, series=series)) for seed in range(patterns)]
    columns = [decode(base) for base in bases]
    for place in range(hours):
        base, shape = bases[place % patterns], columns[place % patterns]
        hour = first_hour + place * HOUR_MS
        gen = generation(shape._replace(times=[t + hour for t in shape.times]))
        head = base.head._replace(
            hour=hour, gen=gen, t0=base.head.t0 + hour, t1=base.head.t1 + hour
        )
        yield Chunk(head, base.data)


async def fill(path: Path, series: str, first_hour: int, hours: int) -> int:
    """Load such an archive into the embedded store at `path`; returns the number of samples."""
    cold = SqliteCold(SqliteStore(path))
    await cold.open()
    try:
        count, batch = 0, []
        for chunk in archive(series, first_hour, hours):
            count += chunk.head.rows
            batch.append(chunk)
            if len(batch) == 500:
                await cold.write_chunks(batch)
                batch = []
        await cold.write_chunks(batch)
    finally:
        await cold.close()
    return count


def damaged(chunk: Chunk) -> Chunk:
    """The chunk with one bit of its blob turned."""
    data = bytearray(chunk.data)
    data[len(data) // 2] ^= 1
    return Chunk(chunk.head, bytes(data))


def repacked(chunk: Chunk, data: bytes) -> Chunk:
    """The chunk with another blob and the checksum of that."""
    return Chunk(chunk.head._replace(crc=zlib.crc32(data)), data)


def by_key(samples: list[Sample]) -> list[Sample]:
    """In the order a tier gives them."""
    return sorted(samples, key=lambda sample: (sample.series, sample.t))


def resampled(rows: list[tuple[int, float]], series: str) -> list[Sample]:
    """A log of `(second, value)` made one sample a second, each value held until the next."""
    return [
        Sample(series, HOUR + at * 1000, value, "ok", None)
        for (start, value), (end, _) in pairwise(rows)
        for at in range(start, end)
    ]
