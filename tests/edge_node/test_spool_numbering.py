import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edge_node.spool_numbering import CEILING_AHEAD, Numbering


class NumberingMachine(RuleBasedStateMachine):
    """A spool whose commits reach the disk late, as the numbering meets it.

    `memory` is what a reader sees, `disk` what a power cut leaves; the ceiling is on the disk
    before it is used.
    """

    def __init__(self) -> None:
        super().__init__()
        self.memory = Numbering()
        self.disk = Numbering()
        self.rows: set[int] = set()
        self.disk_rows: set[int] = set()
        self.meanings: dict[int, int] = {}
        self.taken = 0

    def _reserve(self, count: int) -> None:
        if self.memory.needs_ceiling(count):
            self.memory = self.memory.raised(count)
            self._sync()

    def _sync(self) -> None:
        self.disk, self.disk_rows = self.memory, set(self.rows)

    @rule(count=st.integers(1, 1500), lost=st.integers(0, 50))
    def commit(self, count: int, lost: int) -> None:
        self._reserve(count + lost)
        self.memory = self.memory.lost(lost)
        for seq in range(self.memory.last + 1, self.memory.last + 1 + count):
            self.taken += 1
            assert seq not in self.meanings, "a seq that was served means another sample now"
            self.meanings[seq] = self.taken
            self.rows.add(seq)
        self.memory = self.memory.taken(count)

    @rule()
    def reach_the_disk(self) -> None:
        self._sync()

    @rule()
    def lose_power(self) -> None:
        self.rows = set(self.disk_rows)
        self.memory = self.disk.after_power_cut()
        self._sync()

    @rule(part=st.floats(0, 1.1))
    def drop_the_oldest(self, part: float) -> None:
        span = self.memory.last + 1 - self.memory.first
        self.memory = self.memory.dropped(self.memory.first + int(part * span))
        self.rows = {seq for seq in self.rows if seq >= self.memory.first}

    @invariant()
    def every_seq_is_a_row_or_in_a_hole(self) -> None:
        holes = [seq for start, end in self.memory.holes for seq in range(start, end + 1)]
        assert sorted([*self.rows, *holes]) == list(range(self.memory.first, self.memory.last + 1))
        assert self.memory.rows == len(self.rows)

    @invariant()
    def nothing_passes_the_ceiling_on_the_disk(self) -> None:
        assert self.memory.last <= self.disk.ceiling

    @invariant()
    def holes_rise_and_lie_apart(self) -> None:
        for start, end in self.memory.holes:
            assert start <= end
        for (_, end), (start, _) in zip(self.memory.holes, self.memory.holes[1:], strict=False):
            assert end + 1 < start


TestNumbering = NumberingMachine.TestCase


def test_the_ceiling_is_a_thousand_ahead() -> None:
    assert Numbering().raised(3).ceiling == 3 + CEILING_AHEAD
    assert not Numbering().raised(3).needs_ceiling(3 + CEILING_AHEAD)


def test_a_power_cut_shows_the_ceiling_and_lists_the_hole() -> None:
    after = Numbering(first=1, last=40, ceiling=1003).after_power_cut()
    assert after.last == 1003
    assert after.holes == ((41, 1003),)
    assert after.rows == 40


@given(count=st.integers(1, 5000))
def test_no_seq_is_given_out_above_the_ceiling(count: int) -> None:
    numbering = Numbering(ceiling=count - 1)
    with pytest.raises(ValueError, match="ceiling"):
        numbering.taken(count)
