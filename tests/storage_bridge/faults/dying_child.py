"""`storage_bridge` whose every task dies a few times, wherever it is, as of a bug."""

import asyncio
import random
import sys
from collections.abc import Awaitable, Callable
from typing import Final, override

from storage_bridge import app
from storage_bridge.cli import main
from storage_bridge.supervise import Supervisor

from .bridge_child import QUICK

DEATHS: Final = 4  # of each task
LIFE_S: Final = 1.5
_dice: Final = random.Random(8)


class Deadly(Supervisor):
    """Lets tasks live for LIFE_S at most, until each has died often enough."""

    def __init__(self) -> None:
        super().__init__(QUICK)

    @override
    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        lives = iter([_dice.random() * LIFE_S for _ in range(DEATHS)])

        async def dies() -> None:
            # Whatever it waits for then is what fails, as a call with a bug would.
            async with asyncio.timeout(next(lives, None)):
                await work()

        super().start(name, dies)


vars(app)["Supervisor"] = Deadly

if __name__ == "__main__":
    sys.exit(main())
