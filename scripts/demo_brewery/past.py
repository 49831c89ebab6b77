"""A day of a brewery that is 31 days old, so that the demo has something to archive."""

import math
import random
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from storage_bridge.model import Sample
from storage_bridge.reader import Reader
from storage_bridge.stored import open_store, pages

if TYPE_CHECKING:
    from storage_bridge.config import BridgeConfig
    from storage_bridge.tiers import Tiers

SERIES: Final = "last-month/mash_temperature"
DAY_MS: Final = 86_400_000
AGE_DAYS: Final = 31
_BATCH: Final = 3600
_ARCHIVE_S: Final = 300
_LAG_S: Final = 45.0  # of a probe in its well
_NOISE_K: Final = 0.03
_BAD: Final = 1 / 20_000  # readings that a long bus spoils
# Minute of the day and what the mash tun is at: a rest at 52, at 66 and at 72 degrees Celsius,
# mashing out at 78, then cleaned with hot water, and left to cool.
_PLAN: Final = (
    (0, 17.5), (420, 16.8), (450, 52.0), (470, 52.0), (490, 66.0), (550, 66.0), (560, 72.0),
    (580, 72.0), (588, 78.0), (640, 77.0), (660, 40.0), (690, 82.0), (710, 80.0), (1440, 19.0),
)  # fmt: skip


def start_of(now_ms: int) -> int:
    """When the day that is 31 days old began (ms, UTC)."""
    return now_ms - now_ms % DAY_MS - (AGE_DAYS + 1) * DAY_MS


def day(start: int) -> list[Sample]:
    """What a 12-bit probe in a mash tun says each second of a day; the same for the same day."""
    dice = random.Random(start)  # noqa: S311 - a repeatable day, no secret
    probe = _PLAN[0][1]
    samples = []
    for second in range(DAY_MS // 1000):
        probe += (_planned(second / 60) - probe) / _LAG_S
        swing = 0.15 * math.sin(second / 97)  # of a controller that switches an element
        value = round(16 * (probe + swing + dice.gauss(0, _NOISE_K))) / 16
        t = start + second * 1000
        if dice.random() < _BAD:
            samples.append(Sample(SERIES, t, None, "bad:crc", None))
        else:
            samples.append(Sample(SERIES, t, value, "ok", None))
    return samples


def _planned(minute: float) -> float:
    for (begin, low), (end, high) in pairwise(_PLAN):
        if minute <= end:
            return low + (high - low) * (minute - begin) / (end - begin)
    return _PLAN[-1][1]


async def import_day(config: BridgeConfig) -> list[Sample]:
    """Put the day into the warm tier; what was put in."""
    samples = day(start_of(time.time_ns() // 1_000_000))
    async with open_store(config) as tiers:
        for at in range(0, len(samples), _BATCH):
            await tiers.warm.write(samples[at : at + _BATCH])
    return samples


def archive_now(config: BridgeConfig) -> None:
    """`smart-beer-bridge archive --now`; raises RuntimeError with what it said if it failed."""
    command: list[str | Path] = [
        *(Path(sys.executable).parent / "smart-beer-bridge", "archive", "--now"),
        *("--settle", "2", "--config", config.path),
    ]
    done = subprocess.run(command, text=True, capture_output=True, timeout=_ARCHIVE_S, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"smart-beer-bridge archive failed:\n{done.stdout}{done.stderr}")


async def is_archived(tiers: Tiers, samples: list[Sample]) -> bool:
    """Whether exactly these samples of one series can be read back, and from cold alone."""
    series, start, end = samples[0].series, samples[0].t, samples[-1].t + 1
    found = [sample async for page in pages(Reader(*tiers), series, start, end) for sample in page]
    left = [*await tiers.hot.read(series, start, end), *await tiers.warm.read(series, start, end)]
    return found == samples and not left
