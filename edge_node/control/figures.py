"""PURE: which figures a controller may use, and the range of what it may ask for."""

from collections.abc import Mapping
from typing import TypeGuard

FULL_POWER = 100.0  # %
_LARGEST = 1e6  # no temperature, gain or time of a brewery is larger; products stay finite


def usable(value: float | None) -> TypeGuard[float]:
    """Whether there is a value, finite and of a size that a brewery knows."""
    return value is not None and abs(value) <= _LARGEST


def unlimited_or_usable(achieved: float | None) -> bool:
    """Whether an achieved power may be worked with: None says "as asked"."""
    return achieved is None or usable(achieved)


def clamp(value: float, low: float, high: float) -> float:
    """`value`, or the bound that it crosses; NaN gives `low`."""
    return min(high, value) if value > low else low


def percent(value: float) -> float:
    """`value` as a power: 0-100 %; what is not finite gives 0."""
    return clamp(value, 0.0, FULL_POWER) if usable(value) else 0.0


def check_positive(what: str, figures: Mapping[str, float]) -> None:
    """Raise ValueError naming the first of the `figures` that is not above 0 and at most 1e6."""
    for name, value in figures.items():
        if not 0 < value <= _LARGEST:
            raise ValueError(f"{what}: {name} is {value}, it must be above 0 and at most 1e6")


def check_not_negative(what: str, figures: Mapping[str, float]) -> None:
    """Raise ValueError naming the first of the `figures` that is not 0 to 1e6."""
    for name, value in figures.items():
        if not 0 <= value <= _LARGEST:
            raise ValueError(f"{what}: {name} is {value}, it must be 0 to 1e6")
