"""Pure: how samples get their seq, so that a seq that was served never means two samples."""

from dataclasses import dataclass, replace
from typing import Final

# Written durably ahead of use, so that a power cut never brings a served seq back.
CEILING_AHEAD: Final = 1000


@dataclass(frozen=True, slots=True)
class Numbering:
    """The counter of one spool.

    Rows from `first` to `last` may be served, except the `holes` (inclusive, rising, apart, all
    within first..last). No seq above `ceiling` may be given out.
    """

    first: int = 1
    last: int = 0
    ceiling: int = 0
    holes: tuple[tuple[int, int], ...] = ()

    @property
    def rows(self) -> int:
        """How many samples can be served."""
        return self.last - self.first + 1 - sum(end - start + 1 for start, end in self.holes)

    def needs_ceiling(self, count: int) -> bool:
        """Whether the ceiling must be raised durably before `count` more seqs are used."""
        return self.last + count > self.ceiling

    def raised(self, count: int) -> "Numbering":
        """With a ceiling that has room for `count` seqs and CEILING_AHEAD more."""
        return replace(self, ceiling=max(self.ceiling, self.last + count + CEILING_AHEAD))

    def taken(self, count: int) -> "Numbering":
        """After `count` samples got the seqs from last + 1 on; ValueError beyond the ceiling."""
        if count < 0 or self.needs_ceiling(count):
            raise ValueError(f"{count} seqs after {self.last} pass the ceiling {self.ceiling}")
        return replace(self, last=self.last + count)

    def lost(self, count: int) -> "Numbering":
        """After `count` samples that could not be kept: their seqs are a hole."""
        if count == 0:
            return self
        taken = self.taken(count)
        return replace(taken, holes=_joined(self.holes, self.last + 1, taken.last))

    def after_power_cut(self) -> "Numbering":
        """After a reboot: whatever was given out and is not on disk lies below the ceiling."""
        return self.lost(self.ceiling - self.last)

    def dropped(self, first: int) -> "Numbering":
        """After everything below `first` was dropped; never moves backwards or beyond last + 1."""
        first = max(self.first, min(first, self.last + 1))
        holes = tuple((max(start, first), end) for start, end in self.holes if end >= first)
        return replace(self, first=first, holes=holes)


def _joined(
    holes: tuple[tuple[int, int], ...], start: int, end: int
) -> tuple[tuple[int, int], ...]:
    if holes and holes[-1][1] + 1 == start:
        return (*holes[:-1], (holes[-1][0], end))
    return (*holes, (start, end))
