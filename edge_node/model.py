"""What a node measures, in the words that every other module of the node uses."""

from dataclasses import dataclass
from typing import Final, NamedTuple

OK: Final = "ok"
SUSPECT_CLOCK: Final = "suspect:clock"
OUTLIER: Final = "suspect:outlier"

BAD_CAUSES: Final = frozenset(
    {
        "crc",
        "disconnected",
        "empty",
        "input",
        "io",
        "missing",
        "no_power",
        "power_on",
        "range",
        "short",
        "stale",
        "timeout",
        "zeros",
    }
)
SUSPECT_CAUSES: Final = frozenset({"clock", "cross_talk", "frozen", "outlier"})


@dataclass(frozen=True, slots=True)
class Reading:
    """What one channel said at one tick.

    `value` is in the channel's unit and None exactly when `quality` is `bad:<cause>`.
    """

    value: float | None
    quality: str

    def __post_init__(self) -> None:
        if self.bad != (self.value is None):
            raise ValueError(f"a reading of quality {self.quality} cannot have value {self.value}")

    @property
    def bad(self) -> bool:
        """Whether the reading has no value."""
        return self.quality.startswith("bad:")


class Sample(NamedTuple):
    """One row as served: `t` in UTC milliseconds, `series` is `<node_id>/<channel_id>`."""

    seq: int
    t: int
    series: str
    value: float | None
    quality: str
    batch: str | None
