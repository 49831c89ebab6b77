"""PURE: a recorded fermentation, played again, and the pressure that it would have made."""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass

# A spunding valve set to 1 bar; the head fills as the yeast works. Synthetic: the log has none.
SET_PRESSURE_KPA = 100.0
PRESSURE_RISE_S = 6 * 3600.0
_ATMOSPHERE_KPA = 101.325
_FILLED_AT_K = 293.15


@dataclass(frozen=True, slots=True)
class Track:
    """One recorded quantity: rising times in seconds from the first row, and their values."""

    seconds: Sequence[float]
    values: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.seconds) != len(self.values) or len(self.seconds) < 2:
            raise ValueError("a track needs at least two rows, each with a time and a value")
        if self.seconds[0] != 0 or any(
            later <= earlier for earlier, later in zip(self.seconds, self.seconds[1:], strict=False)
        ):
            raise ValueError("the times of a track start at 0 and rise")

    @property
    def length_s(self) -> float:
        """Seconds from the first row to the last."""
        return self.seconds[-1]

    def at(self, seconds: float) -> float:
        """The value at `seconds` from the start, linear between rows; the log is a loop."""
        seconds %= self.length_s
        after = bisect.bisect_right(self.seconds, seconds)
        before = after - 1
        share = (seconds - self.seconds[before]) / (self.seconds[after] - self.seconds[before])
        return self.values[before] + share * (self.values[after] - self.values[before])


def fermenter_pressure_kpa(seconds: float, celsius: float) -> float:
    """Gauge pressure of a closed fermenter, kPa, `seconds` after it was closed.

    Gas made: P_set * (1 - exp(-t / 6 h)), held by the valve; then Gay-Lussac's law from 20 °C.
    """
    filled = SET_PRESSURE_KPA * -math.expm1(-seconds / PRESSURE_RISE_S)
    absolute = (filled + _ATMOSPHERE_KPA) * (celsius + 273.15) / _FILLED_AT_K
    return absolute - _ATMOSPHERE_KPA
