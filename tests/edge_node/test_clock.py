import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.clock import Clock, ClockKnownError
from edge_node.clock_state import EARLIEST_MS, LATEST_MS, STEP_MS, ClockState
from edge_node.kernel_time import KernelTime
from tests.edge_node.fake_time import UTC, FakeTime


@pytest.fixture
def machine() -> FakeTime:
    return FakeTime()


def made(tmp_path: Path, machine: FakeTime, *, trust: bool = False) -> Clock:
    return Clock(tmp_path / "clock.json", trust=trust, source=machine)


def test_the_clock_is_unknown_until_the_kernel_says_synchronised_and_known_ever_after(
    tmp_path: Path, machine: FakeTime
) -> None:
    clock = made(tmp_path, machine)
    clock.observe()
    assert (clock.known, clock.now_ms(), clock.source) == (False, None, None)

    machine.synchronised = True
    clock.observe()
    assert (clock.known, clock.now_ms(), clock.source) == (True, UTC, "kernel")

    machine.synchronised = False
    machine.run(1000)
    clock.observe()
    assert (clock.known, clock.now_ms()) == (True, UTC + 1000)


def test_it_stays_known_across_restarts_until_the_kernel_reboots(
    tmp_path: Path, machine: FakeTime
) -> None:
    clock = made(tmp_path, machine)
    clock.set(UTC + 77)
    machine.run(1000)

    again = made(tmp_path, machine)
    again.observe()
    assert (again.source, again.now_ms()) == ("client", UTC + 1077)

    machine.boot_id = "boot-2"
    rebooted = made(tmp_path, machine)
    rebooted.observe()
    assert not rebooted.known


def test_trust_takes_the_systems_clock_at_once(tmp_path: Path, machine: FakeTime) -> None:
    clock = made(tmp_path, machine, trust=True)
    clock.observe()
    assert (clock.source, clock.now_ms()) == ("trust", UTC)


def test_a_client_may_set_only_an_unknown_clock_and_only_sensibly(
    tmp_path: Path, machine: FakeTime
) -> None:
    clock = made(tmp_path, machine)
    for wrong in (0, EARLIEST_MS - 1, LATEST_MS + 1):
        with pytest.raises(ValueError, match="utc_ms"):
            clock.set(wrong)
    clock.set(UTC)
    with pytest.raises(ClockKnownError):
        clock.set(UTC)
    # The system's own clock is another matter, right or wrong.
    machine.wall += 10**9
    clock.observe()
    assert clock.now_ms() == UTC


def test_the_kernels_time_replaces_a_clients_when_it_becomes_right(
    tmp_path: Path, machine: FakeTime
) -> None:
    clock = made(tmp_path, machine)
    clock.set(UTC + 60_000)
    machine.synchronised = True
    clock.observe()
    assert (clock.source, clock.now_ms(), clock.steps, clock.steps_back) == ("kernel", UTC, 1, 1)


def test_steps_are_on_disk_before_they_are_used_and_survive_a_restart(
    tmp_path: Path, machine: FakeTime
) -> None:
    clock = made(tmp_path, machine, trust=True)
    clock.observe()
    machine.wall -= 3_600_000
    clock.observe()
    machine.wall += 7_200_000
    clock.observe()
    assert (clock.steps, clock.steps_back) == (2, 1)
    assert json.loads((tmp_path / "clock.json").read_text())["steps_back"] == 1

    machine.boot_id = "boot-2"
    again = made(tmp_path, machine, trust=True)
    assert (again.steps, again.steps_back) == (2, 1)


def test_steering_is_no_step(tmp_path: Path, machine: FakeTime) -> None:
    clock = made(tmp_path, machine, trust=True)
    clock.observe()
    for _ in range(100):
        machine.run(1000)
        machine.wall -= 20
        clock.observe()
    assert clock.steps == 0
    assert clock.now_ms() == machine.wall
    # A restart after a long steering sees none either.
    again = made(tmp_path, machine, trust=True)
    again.observe()
    assert again.steps == 0


def test_a_clock_that_went_back_while_the_node_was_down_is_counted_once(
    tmp_path: Path, machine: FakeTime
) -> None:
    clock = made(tmp_path, machine, trust=True)
    clock.observe(newest_t=UTC + 1)
    assert (clock.steps, clock.steps_back) == (1, 1)
    clock.observe(newest_t=UTC + 1)
    assert clock.steps_back == 1
    assert json.loads((tmp_path / "clock.json").read_text())["steps_back"] == 1


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"boot": 1, "source": null, "offset_ms": null, "steps_back": 0, "steps": 0}',
        '{"boot": "b", "source": "me", "offset_ms": 1, "steps_back": 0, "steps": 0}',
        '{"boot": "b", "source": "client", "offset_ms": null, "steps_back": 0, "steps": 0}',
        '{"boot": "b", "source": null, "offset_ms": null, "steps_back": -1, "steps": 0}',
    ],
)
def test_a_broken_file_costs_its_content_and_no_more(
    tmp_path: Path, machine: FakeTime, content: str
) -> None:
    (tmp_path / "clock.json").write_text(content)
    clock = made(tmp_path, machine)
    clock.observe()
    assert not clock.known
    clock.set(UTC)
    assert made(tmp_path, machine).source == "client"


def test_steps_that_cannot_be_kept_are_told_and_kept_once_they_can(
    tmp_path: Path, machine: FakeTime
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    clock = Clock(folder / "clock.json", trust=True, source=machine)
    folder.rmdir()
    clock.observe()
    assert "cannot be kept" in str(clock.problem)
    folder.mkdir()
    clock.observe()
    assert not clock.problem
    assert (folder / "clock.json").stat().st_mode & 0o777 == 0o600


@given(st.lists(st.integers(-(10**7), 10**7), max_size=30))
def test_every_backward_jump_of_half_a_second_counts_and_nothing_else(jumps: list[int]) -> None:
    state = ClockState("b").observed(wall_offset_ms=UTC, synchronised=True, trust=False)
    offset = UTC
    for jump in jumps:
        offset += jump
        state = state.observed(wall_offset_ms=offset, synchronised=False, trust=False)
    assert state.steps_back == sum(jump <= -STEP_MS for jump in jumps)
    assert state.steps == sum(abs(jump) >= STEP_MS for jump in jumps)
    assert state.offset_ms == offset


def test_the_running_kernel_can_be_asked_without_privileges() -> None:
    kernel = KernelTime()
    assert len(kernel.boot()) == 36
    first = kernel.mono_ms()
    assert kernel.mono_ms() >= first > 0
    assert kernel.wall_ms() > EARLIEST_MS
    sync = kernel.sync()
    assert (sync.offset_ms is None) == (not sync.synchronised)
