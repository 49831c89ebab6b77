"""Pure: the time of samples that were taken while nobody knew the time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from edge_node.model import SUSPECT_CLOCK

# The shortest time between the last sample of one boot and the first moment of the next.
_REBOOT_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One sample on its way to the spool.

    `t` is UTC ms, or None while the clock is unknown; `mono` is CLOCK_BOOTTIME in ms. A `periodic`
    sample belongs to a second, another one to its own millisecond.
    """

    t: int | None
    mono: int
    series: str
    value: float | None
    quality: str
    batch: str | None = None
    periodic: bool = True


@dataclass(frozen=True, slots=True)
class Stamping:
    """What the clock knows: UTC ms at CLOCK_BOOTTIME 0 of this boot, backward steps so far."""

    boot: str
    offset_ms: int
    steps_back: int


def second_of(utc_ms: int, steps_back: int) -> int:
    """The stamp of a periodic sample taken at `utc_ms`: the nearest second, n ms after n steps.

    A second can come again only after a backward step, and then it carries other milliseconds.
    """
    return (utc_ms + 500) // 1000 * 1000 + steps_back % 1000


def stamp(mono: int, offset_ms: int, *, periodic: bool, steps_back: int) -> int:
    """UTC ms of a sample taken at `mono`."""
    t = mono + offset_ms
    return second_of(t, steps_back) if periodic else t


def boot_offsets(spans: Sequence[tuple[str, int]], stamping: Stamping) -> dict[str, int]:
    """UTC ms at CLOCK_BOOTTIME 0 of each boot: known for the running one, guessed for ended ones.

    `spans` holds (boot, newest mono) in the order of the boots. An ended boot is taken to have
    ended just before the next one began: the latest possible time, so that its samples never come
    before older ones nor after newer ones.
    """
    offsets = {stamping.boot: stamping.offset_ms}
    begin = stamping.offset_ms
    for boot, newest in reversed(spans):
        if boot != stamping.boot:
            begin -= newest + _REBOOT_MS
            offsets[boot] = begin
    return offsets


def guessed(quality: str) -> str:
    """The quality of a sample whose time is a guess; a bad one stays bad."""
    return quality if quality.startswith("bad:") else SUSPECT_CLOCK
