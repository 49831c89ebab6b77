"""Pure: what is wrong with a node, each thing with an id, since when, and a sentence."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from edge_node.config import ChannelConfig
from edge_node.model import Reading

# A probe that misses a tick or two is a statistic; one that is away this long is a fault.
BAD_S: Final = 10
# A loose plug: this many bad readings within a minute, without being away for good.
FLAKY_TICKS: Final = 60
FLAKY_BAD: Final = 6
# How long something that happened once is shown.
RECENT_MS: Final = 3_600_000

_HINTS: Final[Mapping[str, str]] = {
    "crc": "the answer is garbled: check the cable, its length and the pull-up resistor",
    "disconnected": "the sensor reports itself disconnected: check its plug",
    "empty": "it does not answer: check the plug, the cable and the pull-up resistor",
    "input": "a channel it is computed from has no good reading",
    "io": "the kernel cannot read it: see the log",
    "missing": "it is not on the bus: check the plug, or the device id in the configuration",
    "no_power": "it has too little power: wire its VDD pin instead of parasite power",
    "power_on": "it shows its power-on value, so it lost power: check the supply and the plug",
    "range": "the value is outside its limits: check probe, span and calibration",
    "short": "the answer is cut short: check the cable",
    "stale": "nothing new came: see whether the node samples at all",
    "timeout": "it does not answer in time: check the bus and the number of probes on it",
    "zeros": "it answers only zeros: check the data line for a short circuit",
}


@dataclass(slots=True)
class Recent:
    """A counter whose rise is worth an alarm for an hour."""

    count: int | None = None
    risen_at: int | None = None

    def active(self, count: int, mono_ms: int) -> bool:
        """Whether the counter rose within the last hour; what it begins with does not count."""
        if self.count is not None and count > self.count:
            self.risen_at = mono_ms
        self.count = count
        return self.risen_at is not None and mono_ms - self.risen_at < RECENT_MS


@dataclass(slots=True)
class ProbeWatch:
    """How one channel has been doing."""

    bad_since: int | None = None
    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=FLAKY_TICKS))

    def note(self, reading: Reading, mono_ms: int) -> None:
        """Take in one tick's reading."""
        self.recent.append(reading.bad)
        if not reading.bad:
            self.bad_since = None
        elif self.bad_since is None:
            self.bad_since = mono_ms

    def alarm(
        self, node_id: str, channel: ChannelConfig, reading: Reading, mono_ms: int
    ) -> tuple[str, str] | None:
        """The alarm id and sentence that this channel deserves now."""
        cause = reading.quality.partition(":")[2]
        what = f"Channel {channel.name} ({channel.id}) of node {node_id}"
        if self.bad_since is not None and mono_ms - self.bad_since >= BAD_S * 1000:
            hint = _HINTS.get(cause, cause)
            return f"probe_bad_{channel.id}", f"{what} has no good reading ({cause}): {hint}."
        if sum(self.recent) >= FLAKY_BAD and self.bad_since is None:
            return (
                f"bus_errors_{channel.id}",
                f"{what} often fails to read: check its plug, cable and pull-up resistor.",
            )
        return None


class Alarms:
    """The alarms that stand, oldest first."""

    def __init__(self) -> None:
        self._standing: dict[str, dict[str, Any]] = {}

    def acknowledge(self, alarm_id: str, ack: dict[str, Any]) -> None:
        """Show who has seen a standing alarm, for as long as it stands."""
        if alarm_id in self._standing:
            self._standing[alarm_id]["acknowledged"] = ack

    def update(self, texts: Mapping[str, str], utc_ms: int | None) -> bool:
        """Make exactly `texts` (id to sentence) stand; whether anything changed.

        An alarm keeps its `since`; one raised while the clock was unknown gets it when it is known.
        """
        before = self.list()
        self._standing = {
            alarm_id: {
                "id": alarm_id,
                "since": self._since(alarm_id, utc_ms),
                "text": text,
                "acknowledged": self._standing.get(alarm_id, {}).get("acknowledged"),
            }
            for alarm_id, text in texts.items()
        }
        return self.list() != before

    def list(self) -> list[dict[str, Any]]:
        """`[{id, since, text, acknowledged}]`, oldest first.

        `since` is UTC ms, or null while the clock is unknown; `acknowledged` is who has seen it, or
        null.
        """
        return [
            dict(alarm)
            for alarm in sorted(
                self._standing.values(), key=lambda a: (a["since"] is None, a["since"], a["id"])
            )
        ]

    def _since(self, alarm_id: str, utc_ms: int | None) -> int | None:
        standing = self._standing.get(alarm_id)
        if standing is None or standing["since"] is None:
            return utc_ms
        since: int = standing["since"]
        return since
