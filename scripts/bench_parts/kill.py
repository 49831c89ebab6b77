"""kill -9 at random moments while a client switches an element and a pump a dozen times a second.

Simulated breweries of real processes side by side; in each, by turns, the node, its guard and the
client that has the lease are killed. Then the same is done to the stores and who writes into them.
Nothing is compared: there must be no failure at all.
"""

import asyncio
import random
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.edge_node.failures.kill_rounds import (
    HEAT_ON_S,
    NODE_OFF_S,
    PULSES_END_S,
    VICTIMS,
    Outcome,
    rounds,
    victims,
)

from . import store_kill
from .table import Report, percentile

if TYPE_CHECKING:
    from pathlib import Path

TITLE = "kill -9 of node, guard or client while commands flow; of a store, bridge or mover"
ROUNDS: Final = 200
BREWERIES: Final = 4
PROMISES: Final = {
    "node": ("both pins are off after the node's end", NODE_OFF_S),
    "guard": ("the enable line stands still after the guard's end", PULSES_END_S),
    "client": ("the heater is on after the last renewal", HEAT_ON_S),
}


class Progress:
    """A line on stderr for every ten rounds, from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._done: Counter[bool] = Counter()

    def note(self, outcome: Outcome) -> None:
        """Count a round."""
        with self._lock:
            self._done[not outcome.problems] += 1
            if (done := self._done.total()) % 10 == 0:
                passed, wrong = time.monotonic() - self._began, self._done[False]
                print(
                    f"  {done} of {ROUNDS} rounds, {wrong} with problems, {passed:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )


async def run(folder: Path) -> Report:
    """All rounds of the nodes, and then of the stores; about twenty minutes."""
    report = await _nodes(folder)
    stores = await store_kill.run(folder / "stores")
    report.rows += stores.rows
    report.notes += stores.notes
    report.figures["stores"] = stores.figures
    return report


async def _nodes(folder: Path) -> Report:
    seed = random.randrange(2**32)  # noqa: S311  # reported, so that it can be had again
    progress = Progress()
    found = await asyncio.gather(
        *(
            asyncio.to_thread(_brewery, folder / str(number), seed + number, progress)
            for number in range(BREWERIES)
        )
    )
    outcomes = [outcome for done, _, _ in found for outcome in done]
    histories = [problem for _, problems, _ in found for problem in problems]
    commands = sum(number for _, _, number in found)
    report = Report()
    for victim in VICTIMS:
        times = [outcome.safe_s for outcome in outcomes if outcome.victim == victim]
        what, promise = PROMISES[victim]
        report.add(
            f"{what} ({len(times)} rounds)",
            f"{percentile(times, 50):.2f} / {percentile(times, 95):.2f} / {max(times):.2f} s",
            target=f"at most {promise:g} s",
            met=max(times) <= promise,
        )
    wrong = [problem for outcome in outcomes for problem in outcome.problems]
    report.add(
        "rounds of nodes", str(len(outcomes)), target=str(ROUNDS), met=len(outcomes) >= ROUNDS
    )
    report.add("rounds of nodes with a problem", str(len(wrong)), target="0", met=not wrong)
    report.add(
        f"of {commands} commands obeyed twice, late or out of order",
        str(len(histories)),
        target="0",
        met=not histories,
    )
    latched = sum(outcome.latched for outcome in outcomes)
    report.add("latched when the node was killed, and still after", str(latched))
    report.notes += [*wrong, *histories, f"Times are p50 / p95 / max. Seed of the nodes {seed}."]
    report.figures |= {
        "seed": seed,
        "commands": commands,
        "safe_s": {v: [round(o.safe_s, 3) for o in outcomes if o.victim == v] for v in VICTIMS},
        "problems": [*wrong, *histories],
    }
    return report


def _brewery(folder: Path, seed: int, progress: Progress) -> tuple[list[Outcome], list[str], int]:
    outcomes = []
    folder.mkdir()
    with rounds(folder / "state", seed) as running:
        for victim in victims(ROUNDS // BREWERIES, seed):
            try:
                outcome = running.round(victim)
            except AssertionError as err:
                outcome = Outcome(victim, 0.0, problems=[f"stuck after the {victim}: {err}"])
            outcomes.append(outcome)
            progress.note(outcome)
        return outcomes, running.judge(), running.commands
