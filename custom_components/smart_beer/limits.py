"""A kettle's temperature limits for alarms, and when they are crossed. PURE.

They warn and switch nothing; what a node must never exceed is its own high limit.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

type Side = Literal["high", "low"]

SIDES: Final[tuple[Side, ...]] = ("high", "low")
LOWEST: Final = -30.0
HIGHEST: Final = 150.0
# More than a probe's step and noise, less than anybody would call another temperature.
HYSTERESIS_K: Final = 0.2
# A limit that came through another unit may miss the end of its range by rounding.
_ROUNDING_K: Final = 0.05
_OPTION: Final = "limits"


@dataclass(frozen=True, slots=True)
class Limits:
    """Alarm limits in °C, LOWEST to HIGHEST; None: there is none.

    The end of the range means none too: HIGHEST as the high one, LOWEST as the low one. A number
    entity always shows a number, and so the limit can be taken away where it is set.
    """

    high: float | None = None
    low: float | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any], kettle_id: str) -> Limits:
        """The limits of a kettle as the entry's options hold them."""
        kept = options.get(_OPTION, {}).get(kettle_id, {})
        return cls(**{side: kept.get(side) for side in SIDES})

    def get(self, side: Side) -> float | None:
        """The limit of one side."""
        return self.high if side == "high" else self.low

    def with_side(self, side: Side, value: float) -> Limits:
        """These limits with another one, or none, on one side."""
        none = value >= HIGHEST - _ROUNDING_K if side == "high" else value <= LOWEST + _ROUNDING_K
        other = None if none else value
        return Limits(other, self.low) if side == "high" else Limits(self.high, other)

    def into(self, options: Mapping[str, Any], kettle_id: str) -> dict[str, Any]:
        """The options with these limits of a kettle in them."""
        kept = {side: value for side in SIDES if (value := self.get(side)) is not None}
        others = {key: value for key, value in options.get(_OPTION, {}).items() if key != kettle_id}
        return {**options, _OPTION: {**others, kettle_id: kept} if kept else others}


@dataclass(slots=True)
class LimitsWatch:
    """Whether a temperature is beyond its limits, and which it has just crossed.

    Beyond is above the high or below the low limit; within again is HYSTERESIS_K short of it. An
    unknown value changes nothing. With the first known value, and with a limit that is another
    than before, one begins: what is beyond then has not been crossed.
    """

    _limits: Limits = field(default_factory=Limits)
    _beyond: dict[Side, bool] = field(default_factory=dict)

    @property
    def beyond(self) -> tuple[Side, ...]:
        """The limits that the temperature is beyond of."""
        return tuple(side for side in SIDES if self._beyond.get(side))

    def look(self, value: float | None, limits: Limits) -> tuple[Side, ...]:
        """Take the temperature now, °C; the limits that it has crossed since the last look."""
        crossed: list[Side] = []
        for side in SIDES:
            limit = limits.get(side)
            if limit != self._limits.get(side):
                self._beyond.pop(side, None)
            if limit is None or value is None:
                continue
            over = value - limit if side == "high" else limit - value
            before = self._beyond.get(side)
            self._beyond[side] = over > (-HYSTERESIS_K if before else 0.0)
            if before is False and self._beyond[side]:
                crossed.append(side)
        self._limits = limits
        return tuple(crossed)
