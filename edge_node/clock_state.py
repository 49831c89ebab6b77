"""Pure: when the node's clock is known, and what its steps do."""

from dataclasses import dataclass, replace
from typing import Final

# A running clock is steered by at most 0.5 ms a second; more at once is a step.
STEP_MS: Final = 500
# 2024-01-01: no node is older. 2100-01-01: what is later is a typing error.
EARLIEST_MS: Final = 1_704_067_200_000
LATEST_MS: Final = 4_102_444_800_000


class ClockKnownError(Exception):
    """The clock is known already, so nobody may set it."""


@dataclass(frozen=True, slots=True)
class ClockState:
    """What the node knows of time; `offset_ms` is UTC at CLOCK_BOOTTIME 0 of kernel boot `boot`.

    `source` is "kernel", "client" or "trust", and None (with no offset) while the clock is unknown.
    `steps_back` counts backward steps, `steps` those in both directions, for the node's whole life.
    """

    boot: str
    source: str | None = None
    offset_ms: int | None = None
    steps_back: int = 0
    steps: int = 0

    @property
    def known(self) -> bool:
        """Whether this node knows the time."""
        return self.source is not None

    def booted(self, boot: str) -> "ClockState":
        """After a start under the kernel boot `boot`: another one makes the clock unknown again.

        An offset that came from the system's clock is forgotten, for steering has moved it since.
        """
        if boot == self.boot:
            return self if self.source == "client" else replace(self, offset_ms=None)
        return ClockState(boot, steps_back=self.steps_back, steps=self.steps)

    def observed(self, *, wall_offset_ms: int, synchronised: bool, trust: bool) -> "ClockState":
        """After a look at the system's wall clock, whose UTC at CLOCK_BOOTTIME 0 is given.

        Once known it stays known, also when the kernel loses its servers. A clock that a client set
        gives way to the kernel's when that becomes right.
        """
        if trust:
            source: str | None = "trust"
        elif synchronised or self.source == "kernel":
            source = "kernel"
        else:
            source = self.source
        if source is None or source == "client":
            return self
        return replace(self._moved(wall_offset_ms), source=source, offset_ms=wall_offset_ms)

    def set_by_client(self, utc_ms: int, mono_ms: int) -> "ClockState":
        """After a client said what time it is; ClockKnownError, ValueError out of range."""
        if self.known:
            raise ClockKnownError(f"the clock is known already, from {self.source}")
        if not EARLIEST_MS <= utc_ms <= LATEST_MS:
            raise ValueError(f"utc_ms must be from {EARLIEST_MS} to {LATEST_MS}, not {utc_ms}")
        return replace(self, source="client", offset_ms=utc_ms - mono_ms)

    def behind(self, newest_t: int | None, mono_ms: int) -> "ClockState":
        """After a look at the newest stamp kept: a clock before it went back unseen."""
        if self.offset_ms is None or newest_t is None or mono_ms + self.offset_ms >= newest_t:
            return self
        return replace(self, steps_back=self.steps_back + 1, steps=self.steps + 1)

    def _moved(self, offset_ms: int) -> "ClockState":
        if self.offset_ms is None or abs(offset_ms - self.offset_ms) < STEP_MS:
            return self
        back = offset_ms < self.offset_ms
        return replace(self, steps=self.steps + 1, steps_back=self.steps_back + int(back))


def worth_keeping(before: ClockState, after: ClockState) -> bool:
    """Whether a change must be on disk before it is used; steering alone need not."""
    return replace(before, offset_ms=None) != replace(after, offset_ms=None)
