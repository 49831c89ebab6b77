"""A round of kill -9 for each victim; `scripts/bench store-kill` does a hundred rounds."""

from pathlib import Path

import pytest

from .kill_rounds import VICTIMS, kill_rounds
from .stores import Stores

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


async def test_stores_bridge_and_mover_are_killed_at_random_points(
    stores: Stores, tmp_path: Path
) -> None:
    done = await kill_rounds(stores, tmp_path, len(VICTIMS), seed=6)
    assert {round_.victim for round_ in done} == set(VICTIMS)
    assert done[-1].acknowledged > 0
