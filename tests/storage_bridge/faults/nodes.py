"""Nodes whose samples lie where a test wants them in time, and what is true of them."""

import time
from typing import Any, Final, override

from storage_bridge.keeper import DAY_MS
from storage_bridge.model import HOUR_MS, Sample
from storage_bridge.outbox_batch import parse_event
from tests.storage_bridge.fake_home_assistant import FakeNode

CHANNELS: Final = 2
OLD_DAYS: Final = 31  # beyond what warm keeps
_REACH_MS: Final = 3 * DAY_MS


class Node(FakeNode):
    """Channels read every `step_ms`, the first time `ago_ms` before now, none at the start.

    `step(ms)` sets its clock by so much, as time synchronisation does.
    """

    def __init__(
        self,
        node_id: str,
        *,
        ago_ms: int = HOUR_MS,
        step_ms: int = 1000,
        channels: int = CHANNELS,
    ) -> None:
        super().__init__(node_id, 0, channels=channels)
        self._t0 = time.time_ns() // 1_000_000 // 1000 * 1000 - ago_ms
        self._step_ms = step_ms
        self._steps: list[tuple[int, int]] = []

    def step(self, by_ms: int) -> None:
        """From the next sample on the clock shows so much more (or less)."""
        self._steps.append((self.last, by_ms))

    @override
    def event(self, after: int, limit: int) -> dict[str, Any] | None:
        found = super().event(after, limit)
        for row in found["samples"] if found else ():
            row[1] = self._time(row[0])
        return found

    def _time(self, seq: int) -> int:
        moved = sum(by for after, by in self._steps if seq > after)
        return self._t0 + (seq - 1) // self.channels * self._step_ms + moved

    def samples(self) -> list[Sample]:
        """Everything that it took."""
        payload = self.event(0, self.last) if self.last else None
        return [] if payload is None else parse_event(payload).samples


def old_node(node_id: str = "old", *, days: int = 14) -> Node:
    """One whose samples, of so many days, belong into the archive at once: every five minutes."""
    return Node(node_id, ago_ms=(OLD_DAYS + days) * DAY_MS, step_ms=300_000)


def kept_by_hot(samples: set[Sample], slack_ms: int = 60_000) -> tuple[set[Sample], set[Sample]]:
    """What hot must hold of these, and what it may hold."""
    border = time.time_ns() // 1_000_000 - _REACH_MS
    must = {row for row in samples if row.t >= border + slack_ms}
    return must, {row for row in samples if row.t >= border - HOUR_MS * 3}
