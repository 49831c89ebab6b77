"""PURE: what the enable line is to be, from what the heartbeat file says."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Pulse:
    """Low, unless the heartbeat has grown within the last `window_ms`: then high and low by turns.

    Only a changing line keeps the charge pump behind it up, so a guard that hangs drops it too.
    """

    window_ms: int
    beat_ms: int | None = field(init=False, default=None)
    _seen: tuple[str, int] | None = field(init=False, default=None)
    _high: bool = field(init=False, default=False)

    def step(self, now_ms: int, heartbeat: str) -> bool:
        """The line's level from now on; `heartbeat` is the file's content, anything if broken."""
        session, _, count = heartbeat.strip().partition(" ")
        if count.isascii() and count.isdigit():
            before, self._seen = self._seen, (session, int(count))
            # What is there at first may be what a dead node left behind.
            if before is not None and before[0] == session and self._seen[1] > before[1]:
                self.beat_ms = now_ms
        alive = self.beat_ms is not None and now_ms - self.beat_ms <= self.window_ms
        self._high = alive and not self._high
        return self._high
