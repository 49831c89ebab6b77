"""kill -9 at random moments while commands flow; `scripts/bench kill` does it 200 times."""

import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.edge_node.failures.kill_rounds import rounds, victims


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.timeout(600)
def test_five_rounds_of_kill_9_leave_outputs_safe_and_obey_nothing_twice(
    tmp_path: Path, measured: Callable[[str], None]
) -> None:
    seed = random.randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")  # so that it can be had again, above all if this fails
    with rounds(tmp_path / "state", seed) as running:
        outcomes = [running.round(victim) for victim in victims(5, seed)]
        history = running.judge()
        commands = running.commands
    for outcome in outcomes:
        measured(f"killed the {outcome.victim}: safe after {outcome.safe_s:.2f} s")
    measured(f"{commands} commands between the kills, seed {seed}")
    assert [problem for outcome in outcomes for problem in outcome.problems] == []
    assert history == []
    assert commands > 5
