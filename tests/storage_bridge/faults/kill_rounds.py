"""kill -9 of a store or of the bridge at random moments under load; for a test and a benchmark."""

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .brewery import Brewery
from .nodes import Node, old_node
from .stores import NAMES, Stores

VICTIMS: Final = (*NAMES, "bridge")
RUNNING_S: Final = 1.5  # a kill comes within this time of the load's going on
AWAY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Killed:
    """A round: who was killed, and how many samples had been acknowledged by then."""

    victim: str
    acknowledged: int


def victims(rounds: int, seed: int) -> list[str]:
    """Every one of them about equally often, in no order."""
    dice = random.Random(seed)
    chosen = [VICTIMS[n % len(VICTIMS)] for n in range(rounds)]
    dice.shuffle(chosen)
    return chosen


async def kill_rounds(stores: Stores, folder: Path, rounds: int, seed: int) -> list[Killed]:
    """So many rounds on one brewery; raises AssertionError unless the tiers hold the truth."""
    dice = random.Random(seed)
    done: list[Killed] = []
    async with Brewery(stores, folder, Node("n"), old_node(), batch=100) as brewery:
        bridge = await brewery.add_bridge()
        await brewery.add_mover()
        load = brewery.load(4, 0.05)
        try:
            for victim in victims(rounds, seed):
                await asyncio.sleep(dice.random() * RUNNING_S)
                if victim == "bridge":
                    await bridge.kill()
                else:
                    await asyncio.to_thread(stores.kill, victim)
                acked = {node.node_id: brewery.acked(node) for node in brewery.nodes}
                for node_id, seq in acked.items():
                    assert bridge.resume(node_id) >= seq, "what was acknowledged is gone"
                await asyncio.sleep(dice.random() * AWAY_S)
                if victim == "bridge":
                    await bridge.start()
                else:
                    await asyncio.to_thread(stores.start, victim)
                done.append(Killed(victim, sum(acked.values())))
        finally:
            load.cancel()
        await brewery.check()
    return done
