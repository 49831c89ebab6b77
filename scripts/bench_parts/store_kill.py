"""kill -9 of Redis, MongoDB, Cassandra, the bridge or a mover at random moments under load.

Each brewery is killed at for some rounds and then held against the truth: there must be no failure.
"""

import asyncio
import random
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.storage_bridge.faults.kill_rounds import VICTIMS, Killed, kill_rounds
from tests.storage_bridge.faults.stores import Stores

from .table import Report

if TYPE_CHECKING:
    from pathlib import Path

TITLE = "kill -9 of a store, bridge or mover under load; the tiers hold what was acknowledged"
ROUNDS: Final = 100
PER_BREWERY: Final = 20


async def run(folder: Path) -> Report:
    """All rounds, about ten minutes."""
    seed = random.randrange(2**32)  # noqa: S311  # reported, so that it can be had again
    report, problems = Report(), []
    done: list[Killed] = []
    acknowledged = 0
    stores = Stores(folder / "stores")
    began = time.monotonic()
    try:
        await asyncio.to_thread(stores.start)
        for number in range(ROUNDS // PER_BREWERY):
            await asyncio.to_thread(stores.heal)
            place = folder / str(number)
            try:
                killed = await kill_rounds(stores, place, PER_BREWERY, seed + number)
            except AssertionError as err:
                problems.append(f"brewery {number} (seed {seed + number}): {err}")
                continue
            done += killed
            acknowledged += killed[-1].acknowledged
            passed = time.monotonic() - began
            print(f"  {len(done)} of {ROUNDS} rounds, {passed:.0f} s", file=sys.stderr, flush=True)
    finally:
        await asyncio.to_thread(stores.kill)
    counted = Counter(round_.victim for round_ in done)
    shown = ", ".join(f"{victim} {counted[victim]}" for victim in VICTIMS)
    report.add(
        "rounds of stores", f"{len(done)} ({shown})", target=str(ROUNDS), met=len(done) >= ROUNDS
    )
    movers = [round_.moving for round_ in done if round_.victim == "mover"]
    report.add(
        "movers that were between two hours of a pass when they were killed",
        f"{sum(movers)} of {len(movers)}",
    )
    report.add(
        f"breweries of {PER_BREWERY} rounds with a sample lost, doubled or changed",
        str(len(problems)),
        target="0",
        met=not problems,
    )
    report.add("samples acknowledged before the last kill of each brewery", f"{acknowledged:,}")
    report.notes += [*problems, f"Seed of the stores {seed}."]
    report.figures |= {"seed": seed, "rounds": len(done), "problems": problems}
    return report
