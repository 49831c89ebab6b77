"""One value out of several probes of the same thing. PURE: ages are passed in."""

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OUTLIER = "outlier"
DISAGREE = "disagree"
STALE = "stale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What one series says; `age` is in seconds on monotonic time, since it was heard."""

    series: str
    value: float | None
    quality: str
    age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fused:
    """The value that `probes` agree on, or None; `left_out` says why each other one is not in."""

    value: float | None
    probes: tuple[str, ...]
    left_out: Mapping[str, str]


def fuse(probes: Iterable[Probe], *, limit: float, max_age: float) -> Fused:
    """The median of the good, fresh probes that agree; None when there is none to trust.

    A probe counts when its quality is `ok`, its value is a finite number and it is at most
    `max_age` seconds old; else its quality, `bad:nan` or `stale` is the reason it is left out.
    A counting probe farther than `limit` from the median of all of them is an `outlier`.
    The rest must be more than half of the counting ones: two probes that disagree, or three that
    all do, contradict each other, and what is contradicted is not shown as a number. All of them
    are then left out with `disagree`, for a person to see which one to mend.
    """
    left_out: dict[str, str] = {}
    good: dict[str, float] = {}
    for probe in probes:
        if reason := _unfit(probe, max_age):
            left_out[probe.series] = reason
        elif probe.value is not None:
            good[probe.series] = probe.value
    if not good:
        return Fused(value=None, probes=(), left_out=left_out)
    # Of two, the median lies half way: they disagree when they are `limit` apart, not twice it.
    reach = limit / 2 if len(good) == 2 else limit
    middle = median(good.values())
    agreeing = {series: value for series, value in good.items() if abs(value - middle) <= reach}
    if len(agreeing) * 2 <= len(good):
        return Fused(value=None, probes=(), left_out=left_out | dict.fromkeys(good, DISAGREE))
    outliers = dict.fromkeys(good.keys() - agreeing.keys(), OUTLIER)
    return Fused(
        value=median(agreeing.values()),
        probes=tuple(sorted(agreeing)),
        left_out=left_out | outliers,
    )


def _unfit(probe: Probe, max_age: float) -> str | None:
    if probe.quality != "ok":
        return probe.quality
    if probe.value is None or not math.isfinite(probe.value):
        return "bad:nan"
    return STALE if probe.age > max_age else None
