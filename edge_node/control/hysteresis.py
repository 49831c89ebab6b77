"""PURE: full power below a temperature, none above it."""

from dataclasses import dataclass
from typing import Any

from edge_node.control.figures import (
    FULL_POWER,
    check_not_negative,
    unlimited_or_usable,
    usable,
)


@dataclass(frozen=True, slots=True)
class HysteresisSettings:
    """On at `below_k` under the setpoint, off at `above_k` over it, with `power` %.

    `cooling`: the mirror image, on at `above_k` over the setpoint and off at `below_k` under it.
    ValueError if the two leave no band, or `power` is not above 0 and at most 100.
    """

    below_k: float = 0.5
    above_k: float = 0.0
    power: float = FULL_POWER
    cooling: bool = False

    def __post_init__(self) -> None:
        check_not_negative("Hysteresis", {"below_k": self.below_k, "above_k": self.above_k})
        if self.below_k + self.above_k <= 0:
            raise ValueError("Hysteresis: below_k and above_k are both 0, which leaves no band")
        if not 0 < self.power <= FULL_POWER:
            raise ValueError(
                f"Hysteresis: power is {self.power} %, it must be above 0, at most 100"
            )


class Hysteresis:
    """Two-point control; begins off, and is off again after any input that is unusable."""

    def __init__(self, settings: HysteresisSettings) -> None:
        self._settings = settings
        self.reset()

    def reset(self) -> None:
        """Off, until the temperature leaves the band."""
        self._on = False

    def step(
        self, now_ms: int, process: float | None, setpoint: float | None, achieved: float | None
    ) -> float:
        """See `Controller.step`; the time does not matter here."""
        del now_ms
        if not (usable(process) and usable(setpoint) and unlimited_or_usable(achieved)):
            self._on = False
            return 0.0
        under, over = setpoint - self._settings.below_k, setpoint + self._settings.above_k
        start, stop = process <= under, process >= over
        if self._settings.cooling:
            start, stop = stop, start
        self._on = not stop and (self._on or start)
        return self._settings.power if self._on else 0.0

    def state(self) -> dict[str, Any]:
        """Whether it is on and its band, as JSON."""
        return {
            "on": self._on,
            "below_k": self._settings.below_k,
            "above_k": self._settings.above_k,
        }
