"""PURE: a recorded channel, row after row as time passes."""

import bisect
from dataclasses import dataclass

from edge_node.hardware.probe_error import ProbeError
from edge_node.recording import Recording


@dataclass(frozen=True, slots=True)
class Replay:
    """A recording played from its first row, or by the wall clock; `loop`: over and over."""

    recording: Recording
    loop: bool

    def at(self, seconds: float) -> float:
        """The newest row's value at `seconds` from the first row.

        ProbeError(empty) before the first row or where nothing was noted, and `stale` after the
        last one.
        """
        times = self.recording.times
        length = times[-1] - times[0]
        if self.loop:
            seconds %= length
        elif seconds > length:
            raise ProbeError("stale", "the log has ended")
        if seconds < 0:
            raise ProbeError("empty", "the log has not begun")
        value = self.recording.values[bisect.bisect_right(times, times[0] + seconds) - 1]
        if value is None:
            raise ProbeError("empty", "nothing was noted there")
        return value
