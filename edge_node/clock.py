"""The node's own notion of time, kept across restarts.

A client may tell a node the time, but that sets this notion and not the system's clock: setting the
system's clock needs privileges that a network service should not have, and would fight the
time service when that comes up late.
"""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge_node.clock_state import ClockKnownError, ClockState, worth_keeping
from edge_node.kernel_time import KernelTime, TimeSource
from edge_node.secret_file import SecretFileError, read_json, write_json

__all__ = ["Clock", "ClockKnownError"]

_LOGGER = logging.getLogger(__name__)


class Clock:
    """UTC as this node knows it, on top of CLOCK_BOOTTIME; its file is `path`."""

    def __init__(self, path: Path, *, trust: bool, source: TimeSource | None = None) -> None:
        self._path = path
        self._trust = trust
        self._time = source or KernelTime()
        self.kernel_boot = self._time.boot()
        self.problem: str | None = None
        self._state = self._read().booted(self.kernel_boot)
        self._kept = self._state
        self._checked = False

    @property
    def known(self) -> bool:
        """Whether this node knows the time."""
        return self._state.known

    @property
    def source(self) -> str | None:
        """`kernel`, `client`, `trust`, or None while the clock is unknown."""
        return self._state.source

    @property
    def steps(self) -> int:
        """Steps seen in the node's life, in both directions."""
        return self._state.steps

    @property
    def steps_back(self) -> int:
        """Backward steps seen in the node's life."""
        return self._state.steps_back

    @property
    def offset_ms(self) -> int | None:
        """UTC ms at CLOCK_BOOTTIME 0, None while unknown."""
        return self._state.offset_ms

    @property
    def correction_ms(self) -> float | None:
        """How far the kernel says its clock is still off; None where it does not know."""
        return self._time.sync().offset_ms

    def describe(self) -> dict[str, Any]:
        """`{known, source, steps}` as `/v1/node` shows it."""
        return {"known": self.known, "source": self.source, "steps": self.steps}

    def mono_ms(self) -> int:
        """CLOCK_BOOTTIME in ms."""
        return self._time.mono_ms()

    def now_ms(self) -> int | None:
        """UTC milliseconds, or None while the clock is unknown."""
        offset = self._state.offset_ms
        return None if offset is None else self._time.mono_ms() + offset

    def observe(self, newest_t: int | None = None) -> None:
        """Look at the system's clock; `newest_t` is the newest stamp on disk.

        Steps are on disk before anything is stamped with them.
        """
        mono = self._time.mono_ms()
        state = self._state.observed(
            wall_offset_ms=self._time.wall_ms() - mono,
            synchronised=self._time.sync().synchronised,
            trust=self._trust,
        )
        self._adopt(state, newest_t)

    def set(self, utc_ms: int, newest_t: int | None = None) -> None:
        """Set an unknown clock; ClockKnownError once it is known, ValueError out of range."""
        state = self._state.set_by_client(utc_ms, self._time.mono_ms())
        self._adopt(state, newest_t)

    def _adopt(self, state: ClockState, newest_t: int | None) -> None:
        if state.known and not self._checked:
            state = state.behind(newest_t, self._time.mono_ms())
            self._checked = True
        if state.steps != self._kept.steps:
            _LOGGER.warning("The clock stepped; steps so far: %d", state.steps)
        if state.known and not self._kept.known:
            _LOGGER.info("The clock is known, from %s", state.source)
        if self.problem is not None or worth_keeping(self._kept, state):
            self._keep(state)
        self._state = state

    def _keep(self, state: ClockState) -> None:
        self._kept = state
        try:
            write_json(self._path, asdict(state))
        except SecretFileError as err:
            # Stamps stay unique all the same: the spool's index decides.
            problem = f"The clock's steps cannot be kept: {err}."
            if self.problem is None:
                _LOGGER.error("%s", problem)  # noqa: TRY400 - the sentence says it all
            self.problem = problem
        else:
            self.problem = None

    def _read(self) -> ClockState:
        """What was kept; a file that cannot be used is left behind with a word in the log."""
        try:
            content = read_json(self._path)
            return ClockState(self.kernel_boot) if content is None else _parse(content)
        except (SecretFileError, KeyError, ValueError, TypeError) as err:
            _LOGGER.warning("%s cannot be used (%s); steps are counted from 0", self._path, err)
            return ClockState(self.kernel_boot)


def _parse(content: dict[str, Any]) -> ClockState:
    """A kept state; TypeError or ValueError if it is none."""
    boot, source, offset = content["boot"], content["source"], content["offset_ms"]
    counts = [content["steps_back"], content["steps"]]
    if not isinstance(boot, str) or source not in {None, "kernel", "client", "trust"}:
        raise ValueError("boot or source make no sense")
    if not isinstance(offset, int | None) or (source is None) != (offset is None):
        raise ValueError("offset_ms makes no sense")
    if any(not isinstance(count, int) or count < 0 for count in counts):
        raise ValueError("the counts of steps make no sense")
    return ClockState(boot, source, offset, *counts)
