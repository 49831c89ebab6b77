"""What a latch is cleared on: on what has been seen since, not on what was forgotten."""

import pytest

from edge_node.safety.rules import Trip
from edge_node.safety.supervisor import Supervisor
from tests.edge_node.safety.brewing import OUTPUTS, RULES, Brew


def latched(*names: str, probes: int = 2, noise_k: float = 0.05) -> Brew:
    brew = Brew(start_c=60.0, probes=probes, noise_k=noise_k)
    kept = [Trip("mash", name, "It was so before.") for name in names]
    brew.supervisor = Supervisor(OUTPUTS, [RULES], {}, kept)
    brew.seconds(2)
    return brew


def copy(brew: Brew) -> None:
    """From now on the second probe gives the first one's trace."""
    kept: dict[int, float] = {}

    def original(value: float, now: int) -> tuple[float | None, str]:
        kept[now] = value
        return value, "ok"

    brew.distort = {0: original, 1: lambda _, now: (kept[now] + 0.3, "ok")}


def test_probes_that_go_on_copying_stay_latched_whatever_else_is_cleared() -> None:
    brew = Brew(start_c=40.0, power=100.0, probes=2)
    brew.seconds(60)
    copy(brew)
    brew.until_trip("cross_talk", 400)
    brew.supervisor.safe("mash")
    brew.seconds(2)
    assert brew.clear("safe") is None
    reason = brew.clear("cross_talk")
    assert reason is not None
    assert "copy another's trace" in reason
    brew.seconds(300)
    assert brew.clear("cross_talk") is not None
    brew.distort = {}
    brew.seconds(130)
    assert brew.clear("cross_talk") is None


def test_cross_talk_of_before_a_restart_is_cleared_once_each_probe_was_seen_by_itself() -> None:
    brew = latched("cross_talk")
    reason = brew.clear("cross_talk")
    assert reason is not None
    assert "n1/t0 and n1/t1" in reason
    brew.seconds(120)
    assert brew.clear("cross_talk") is None
    one = latched("cross_talk", probes=1)
    assert one.clear("cross_talk") is None  # the other was taken away


def test_too_fast_is_cleared_only_on_half_a_minute_of_readings() -> None:
    brew = latched("too_fast", "safe")
    brew.seconds(10)
    reason = brew.clear("too_fast")
    assert reason is not None
    assert "wait until it tells" in reason
    began = brew.now
    brew.distort[0] = lambda value, now: (value + (now - began) / 1000, "ok")
    brew.seconds(15)
    brew.clear("safe")
    brew.seconds(15)
    reason = brew.clear("too_fast")
    assert reason is not None
    assert "more than its element can do" in reason
    brew.distort = {}
    brew.seconds(60)
    assert brew.clear("too_fast") is None


def test_the_last_latch_that_is_cleared_ends_what_was_seen() -> None:
    brew = latched("too_fast", "safe")
    brew.seconds(60)
    assert brew.clear("safe") is None
    assert brew.clear("too_fast") is None
    brew.supervisor._latches.set(Trip("mash", "too_fast", "Again."))
    assert brew.clear("too_fast") is not None


@pytest.mark.parametrize("before", [100.0, 0.0])
def test_what_happened_in_a_time_without_ticks_is_not_held_against_the_kettle(
    before: float,
) -> None:
    brew = Brew(start_c=50.0, power=before)
    brew.seconds(60)
    brew.now += 100_000
    brew.power = 0.0
    brew.seconds(300)
    assert not brew.texts
