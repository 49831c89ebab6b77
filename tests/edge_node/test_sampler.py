from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.clock import Clock
from edge_node.model import Reading
from edge_node.sampler import Sampler, Tick, next_second
from edge_node.spool_stamp import Entry
from tests.edge_node.fake_time import UTC, FakeTime

LEAD_S = 0.8


class Channels:
    """Hardware that takes as long as it is told and remembers when it was asked."""

    def __init__(self, machine: FakeTime, lead_s: float = LEAD_S) -> None:
        self.lead_s = lead_s
        self.takes_ms = round(lead_s * 1000) + 10
        self.calls: list[tuple[int, int]] = []
        self._machine = machine

    async def tick(self, t_ms: int, *, now_mono: float) -> dict[str, Reading]:
        assert now_mono > 0
        self.calls.append((t_ms, self._machine.wall))
        self._machine.run(self.takes_ms)
        return {"a": Reading(20.0, "ok"), "b": Reading(None, "bad:crc")}


class Rig:
    """A sampler on a fake machine, with what it delivered."""

    def __init__(self, folder: Path, *, trust: bool = True, lead_s: float = LEAD_S) -> None:
        self.machine = FakeTime()
        self.clock = Clock(folder / "clock.json", trust=trust, source=self.machine)
        self.channels = Channels(self.machine, lead_s)
        self.ticks: list[Tick] = []
        self.entries: list[Entry] = []
        self.sampler = Sampler(
            "n",
            self.clock,
            self.channels,
            observe=self.clock.observe,
            deliver=self.deliver,
            sleep=self.machine.sleep,
        )

    def deliver(self, tick: Tick, entries: list[Entry]) -> None:
        self.ticks.append(tick)
        self.entries += entries

    async def run(self, ticks: int) -> list[int | None]:
        for _ in range(ticks):
            await self.sampler.tick_once()
        return [tick.t for tick in self.ticks[-ticks:]]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def test_every_second_is_read_once_and_asked_for_by_the_lead_before(rig: Rig) -> None:
    rig.machine.run(123)
    stamps = await rig.run(100)
    assert stamps == [UTC + 1000 * n for n in range(1, 101)]
    assert rig.sampler.missed == 0
    for second, asked_at in rig.channels.calls[1:]:
        assert second - asked_at == 800


async def test_entries_carry_series_value_quality_and_both_times(rig: Rig) -> None:
    await rig.run(1)
    assert rig.entries == [
        Entry(UTC + 1000, 6000, "n/a", 20.0, "ok"),
        Entry(UTC + 1000, 6000, "n/b", None, "bad:crc"),
    ]


async def test_readings_that_take_too_long_cost_seconds_which_are_counted(rig: Rig) -> None:
    await rig.run(3)
    rig.channels.takes_ms = 3_300
    await rig.run(1)
    rig.channels.takes_ms = 810
    stamps = await rig.run(3)
    assert stamps[0] == UTC + 7000
    assert rig.sampler.missed == 2
    assert stamps == [UTC + 1000 * n for n in (7, 8, 9)]


async def test_steering_never_doubles_nor_drops_a_second(rig: Rig) -> None:
    stamps = []
    for n in range(200):
        rig.machine.wall += -20 if n < 100 else 20
        stamps += await rig.run(1)
    assert stamps == [UTC + 1000 * n for n in range(1, 201)]


async def test_after_a_backward_step_the_same_seconds_get_other_milliseconds(rig: Rig) -> None:
    before = await rig.run(5)
    rig.machine.wall -= 3_000
    after = await rig.run(5)
    assert all(t is not None and t % 1000 == 1 for t in after)
    assert not set(before) & set(after)
    assert after[0] is not None
    assert after[0] <= UTC + 3_001


async def test_after_a_forward_step_the_new_seconds_are_read_and_none_is_missed(rig: Rig) -> None:
    await rig.run(2)
    rig.machine.wall += 365 * 86_400_000
    stamps = await rig.run(2)
    assert stamps[0] is not None
    assert stamps[0] > UTC + 364 * 86_400_000
    assert rig.sampler.missed == 0


async def test_without_a_clock_it_ticks_all_the_same_and_goes_on_without_a_repeat(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path, trust=False)
    assert await rig.run(3) == [None, None, None]
    assert [tick.mono for tick in rig.ticks] == [6000, 7000, 8000]
    offset = UTC + 300 - rig.machine.mono
    rig.clock.set(UTC + 300)
    late = [(tick.mono + offset + 500) // 1000 * 1000 for tick in rig.ticks]
    stamps = await rig.run(3)
    assert stamps == [late[-1] + 1000 * n for n in (1, 2, 3)]


async def test_a_pause_stops_reading_and_counts_nothing_as_missed(rig: Rig) -> None:
    await rig.run(2)
    rig.sampler.paused = True
    for _ in range(5):
        await rig.sampler.tick_once()
    assert len(rig.ticks) == 2
    assert rig.sampler.missed == 0


@given(
    now=st.integers(UTC, UTC + 10**6),
    lead=st.integers(0, 2000),
    behind=st.none() | st.integers(-5, 100),
)
def test_the_next_second_is_a_new_one_and_never_begins_half_a_second_late(
    now: int, lead: int, behind: int | None
) -> None:
    last = None if behind is None else now // 1000 * 1000 - 1000 * behind
    second, passed = next_second(now, lead, last)
    assert second % 1000 == 0
    assert second - lead >= now - 500
    if last is not None:
        assert second == last + 1000 * (passed + 1)
        assert passed >= 0
