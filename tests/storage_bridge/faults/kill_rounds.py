"""kill -9 of a store, the bridge or a mover at random moments; for a test and a benchmark."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from .brewery import Brewery
from .nodes import Node, old_node
from .process import MoverProcess, Process
from .stores import NAMES, Stores

VICTIMS: Final = (*NAMES, "bridge", "mover")
RUNNING_S: Final = 1.5  # a kill comes within this time of the load's going on
MOVING_S: Final = 0.2  # and that of a mover within this time of its being at work
AWAY_S: Final = 1.0
OLD_DAYS: Final = 100  # so many that the old samples last, however slow the machine is
DUE: Final = 400  # samples for a mover that is to be killed: 34 hours of a series


@dataclass(frozen=True, slots=True)
class Killed:
    """A round: who was killed, and how many samples had been acknowledged by then.

    `moving`: the victim was a mover, and between two hours of a pass.
    """

    victim: str
    acknowledged: int
    moving: bool


def victims(rounds: int, seed: int) -> list[str]:
    """Every one of them about equally often, in no order."""
    dice = random.Random(seed)
    chosen = [VICTIMS[n % len(VICTIMS)] for n in range(rounds)]
    dice.shuffle(chosen)
    return chosen


async def kill_rounds(stores: Stores, folder: Path, rounds: int, seed: int) -> list[Killed]:
    """So many rounds on one brewery with two movers; AssertionError unless the tiers hold truth."""
    dice = random.Random(seed)
    done: list[Killed] = []
    async with Brewery(stores, folder, Node("n"), old_node(days=OLD_DAYS), batch=100) as brewery:
        bridge = await brewery.add_bridge()
        movers = [await brewery.add_mover(), await brewery.add_mover()]
        processes: Mapping[str, Sequence[Process]] = {"bridge": [bridge], "mover": movers}
        load = brewery.load(4, 0.05)
        try:
            for victim in victims(rounds, seed):
                process = dice.choice(processes[victim]) if victim in processes else None
                longest_s = RUNNING_S
                if isinstance(process, MoverProcess):
                    await _busy(brewery, process)
                    longest_s = MOVING_S
                await asyncio.sleep(dice.random() * longest_s)
                if process is not None:
                    await process.kill()
                else:
                    await asyncio.to_thread(stores.kill, victim)
                acked = {node.node_id: brewery.acked(node) for node in brewery.nodes}
                for node_id, seq in acked.items():
                    assert bridge.resume(node_id) >= seq, "what was acknowledged is gone"
                moving = isinstance(process, MoverProcess) and process.is_moving()
                done.append(Killed(victim, sum(acked.values()), moving))
                await asyncio.sleep(dice.random() * AWAY_S)
                if process is not None:
                    await process.start()
                else:
                    await asyncio.to_thread(stores.start, victim)
        finally:
            load.cancel()
        await brewery.check()
    return done


async def _busy(brewery: Brewery, mover: MoverProcess) -> None:
    """Give both movers plenty to do, and return when this one is doing it."""

    async def moves(before: int) -> bool:
        return mover.hours() > before and mover.is_moving()

    brewery.ha.grow("old", DUE)
    await brewery.until(partial(moves, mover.hours()), "the mover moves")
