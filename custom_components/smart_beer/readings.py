"""The newest word of each channel of a node, and how old it is. PURE: time is passed in."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .models import ChannelReading, SamplesPage

# A reading not followed by another for so long is not the present any more. Channels are read
# every second; a page may be late by a lost packet or two, or by a busy Home Assistant.
FRESH_S = 10.0
BAD_STALE = "bad:stale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a channel says now; `arrived` is monotonic, in seconds, and no part of equality."""

    value: float | None
    quality: str
    arrived: float = field(compare=False)


class Readings:
    """The readings of one node by channel id."""

    def __init__(self, node_id: str) -> None:
        self._prefix = f"{node_id}/"
        self._newest: dict[str, Reading] = {}

    def current(self) -> Mapping[str, Reading]:
        """A snapshot that later changes do not touch."""
        return dict(self._newest)

    def get(self, channel_id: str) -> Reading | None:
        """The newest reading of a channel, if there ever was one."""
        return self._newest.get(channel_id)

    def take_page(self, page: SamplesPage, now: float) -> None:
        """Take the newest of each series of a page that reaches the end of the node's spool.

        What comes before that is the past being caught up on, and so is a row much older than
        the page's newest: neither says how things are now.
        """
        if page.next != page.last_seq or not page.samples:
            return
        oldest = max(row[1] for row in page.samples) - FRESH_S * 1000
        for _seq, t, index, value, quality, _batch in page.samples:
            if t >= oldest:
                channel_id = page.series[index].removeprefix(self._prefix)
                self._put(channel_id, value, quality, now)

    def take_state(self, channels: Mapping[str, ChannelReading], now: float) -> None:
        """Take what `/v1/state` says; the only source while the node serves no samples."""
        for channel_id, reading in channels.items():
            self._put(channel_id, reading.value, reading.quality, now)

    def expire(self, now: float) -> bool:
        """Turn what nothing followed for FRESH_S seconds into `bad:stale`; True if any was."""
        changed = False
        for channel_id, reading in self._newest.items():
            if now - reading.arrived > FRESH_S and reading.quality != BAD_STALE:
                self._newest[channel_id] = Reading(
                    value=None, quality=BAD_STALE, arrived=reading.arrived
                )
                changed = True
        return changed

    def _put(self, channel_id: str, value: float | None, quality: str, now: float) -> None:
        self._newest[channel_id] = Reading(
            value=None if value is None else float(value), quality=quality, arrived=now
        )
