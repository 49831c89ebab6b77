"""Charts out of a year at 1 Hz, through the bridge's API.

The store is made once and kept: eight series of a year in the archive, the newest week of the
first one as rows, as it is before it is archived.
"""

import asyncio
import random
import sqlite3
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from storage_bridge.model import HOUR_MS
from storage_bridge.tiers import embedded
from tests.storage_bridge.generated import HOUR, fill, probe_hour

from .running_bridge import RunningBridge, running_bridge
from .table import Report, percentile, spread

if TYPE_CHECKING:
    from collections.abc import Callable

TITLE = "a chart of 1,000 points out of a year at 1 Hz (31.5 million samples a series)"
TARGET_MS: Final = 200.0
POINTS: Final = 1000
ROUNDS: Final = 40
SERIES: Final = [f"bench/temperature_{number}" for number in range(1, 9)]
DAY_MS: Final = 24 * HOUR_MS
START: Final = HOUR - HOUR % DAY_MS
END: Final = START + 365 * DAY_MS
ROWS_FROM: Final = END - 7 * DAY_MS
_KEEP: Final = Path(__file__).resolve().parents[2] / ".cache" / "bench" / "year-of-samples-1"
_NOWHERE: Final = "ws://127.0.0.1:1/api/websocket"  # the bridge serves without Home Assistant


async def run(_folder: Path) -> Report:
    """All questions on one bridge."""
    store = _KEEP / "data" / "store.db"
    if not (_KEEP / "complete").exists():
        await _make(store)
    dice = random.Random(4)  # noqa: S311 - where to look
    report = Report()
    async with running_bridge(_KEEP, _NOWHERE, "none") as bridge:
        for what, length, series, met in (
            ("a year", 365 * DAY_MS, 1, True),
            ("a year, 8 series", 365 * DAY_MS, 8, False),
            ("a month", 30 * DAY_MS, 1, False),
            ("a month, 8 series", 30 * DAY_MS, 8, False),
            ("a fortnight", 14 * DAY_MS, 1, False),
            ("a day", DAY_MS, 1, False),
            ("a day, 8 series", DAY_MS, 8, False),
            ("an hour", HOUR_MS, 1, False),
            ("an hour, 8 series", HOUR_MS, 8, False),
        ):
            seen = await _ask(bridge, series, partial(_anywhere, dice, length))
            _row(report, what, seen, target=met)
        _row(report, "any length from an hour to a year", await _ask(bridge, 1, _any_length(dice)))
        newest = await _ask(bridge, 1, lambda: (END - DAY_MS, END))
        _row(report, "the newest day, still rows", newest)
    plain = await asyncio.to_thread(_plain, store)
    report.add("a week of rows by SQL, no server", f"{plain:.0f} ms", peer="x 52 for a year")
    report.figures["plain_week_ms"] = plain
    report.figures["store_bytes"] = store.stat().st_size
    report.notes.append(
        f"p50 / p95 / max of {ROUNDS} questions at random places; with the reading of the answer."
    )
    return report


def _row(report: Report, what: str, seen: list[float], *, target: bool = False) -> None:
    report.add(
        what,
        spread(seen),
        target=f"p95 < {TARGET_MS:.0f} ms" if target else "",
        met=percentile(seen, 95) < TARGET_MS if target else None,
    )
    report.figures[what] = seen


async def _ask(
    bridge: RunningBridge, series: int, where: Callable[[], tuple[int, int]]
) -> list[float]:
    seen = []
    for _ in range(ROUNDS if series == 1 else ROUNDS // 2):
        start, end = where()
        params = [("start", str(start)), ("end", str(end)), ("points", str(POINTS))]
        params += [("series", name) for name in SERIES[:series]]
        began = time.monotonic()
        reply = await bridge.get("/v1/history", params)
        seen.append((time.monotonic() - began) * 1000)
        _check(reply, series)
    return seen


def _check(reply: dict[str, Any], series: int) -> None:
    found = reply["series"].values()
    if reply["partial"] or len(found) != series or not all(10 < len(p) <= POINTS for p in found):
        raise RuntimeError(f"the bridge's chart is not whole: {str(reply)[:300]}")


def _anywhere(dice: random.Random, length: int) -> tuple[int, int]:
    """A range of that length within the year, or around it when it is as long."""
    slack = END - START - length
    start = START + (dice.randrange(slack) if slack > 0 else -dice.randrange(DAY_MS))
    return start, start + length


def _any_length(dice: random.Random) -> Callable[[], tuple[int, int]]:
    """Lengths spread evenly by their logarithm, as people zoom."""
    most = (END - START) / HOUR_MS
    return lambda: _anywhere(dice, int(HOUR_MS * float(most ** dice.random())))


async def _make(store: Path) -> None:
    store.parent.mkdir(parents=True, exist_ok=True)
    for path in store.parent.iterdir():
        path.unlink()
    for number, series in enumerate(SERIES):
        end = ROWS_FROM if number == 0 else END
        await fill(store, series, START, (end - START) // HOUR_MS)
    tiers = embedded(store)
    await tiers.open()
    try:
        for hour in range(ROWS_FROM, END, HOUR_MS):
            await tiers.warm.write(probe_hour(hour, series=SERIES[0]))
    finally:
        await tiers.close()
    (_KEEP / "complete").touch()


def _plain(store: Path) -> float:
    """Milliseconds for the same question asked of rows alone, in this process."""
    db = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    try:
        seen = []
        for _ in range(5):
            began = time.monotonic()
            db.execute(
                "SELECT t / ?1, min(value), max(value), avg(value) FROM sample"
                " WHERE sid = (SELECT id FROM series WHERE name = ?2) AND t >= ?3 AND t < ?4"
                " GROUP BY 1",
                (7 * DAY_MS // POINTS, SERIES[0], ROWS_FROM, END),
            ).fetchall()
            seen.append((time.monotonic() - began) * 1000)
        return percentile(seen, 50)
    finally:
        db.close()
