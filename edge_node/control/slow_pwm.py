"""PURE: a power in percent as on and off times of a solid-state relay."""

from dataclasses import dataclass
from typing import Any

from edge_node.control.figures import FULL_POWER, percent

SHORTEST_WINDOW_MS, LONGEST_WINDOW_MS = 1000, 60_000


@dataclass(frozen=True, slots=True)
class SlowPwmSettings:
    """`window_ms` 1-60 s; no pulse is shorter than `min_on_ms`, no pause than `min_off_ms`.

    ValueError outside that, or if the two do not fit into one window.
    """

    window_ms: int = 5000
    min_on_ms: int = 0
    min_off_ms: int = 0

    def __post_init__(self) -> None:
        if not SHORTEST_WINDOW_MS <= self.window_ms <= LONGEST_WINDOW_MS:
            raise ValueError(f"The PWM's window is {self.window_ms} ms; it must be 1000 to 60000")
        if self.min_on_ms < 0 or self.min_off_ms < 0:
            raise ValueError("The PWM's shortest on and off times cannot be negative")
        if self.min_on_ms + self.min_off_ms > self.window_ms:
            raise ValueError(
                f"The PWM's shortest on time ({self.min_on_ms} ms) and off time "
                f"({self.min_off_ms} ms) do not fit into its window of {self.window_ms} ms"
            )


class SlowPwm:
    """Time-proportional control; one pulse a window, starting with the window.

    What a pulse was too long or too short is owed to the next ones (error diffusion), so that the
    on time never strays from what was asked for by more than a window, however coarsely it is
    called, whatever is stretched to a shortest time or left out. 0 and 100 % are exact.
    """

    def __init__(self, settings: SlowPwmSettings) -> None:
        self._settings = settings
        self.reset()

    def reset(self) -> None:
        """Begin again with the output off; its shortest off time starts at the next call."""
        self._level = False
        self._last_ms: int | None = None
        self._changed_ms = 0
        self._window_ends_ms = 0
        self._pulse_due = False  # this window's one pulse has not begun
        self._power = 0.0
        self._owed_ms = 0.0  # on time asked for and not yet given; negative: given too much

    def level(self, now_ms: int, power: float) -> bool:
        """Whether the output is to be on from `now_ms` on, with `power` % asked for.

        To be called several times a window. After a silence of more than two windows, or if time
        runs backwards, what is owed is forgotten. A power that is not finite counts as 0. At 0 the
        output ends its shortest on time first: what must stop at once goes through `cut`.
        """
        self._account(now_ms)
        self._power = percent(power)
        if self._power in {0.0, FULL_POWER}:
            self._owed_ms = 0.0
        wanted = self._wanted(now_ms)
        shortest = self._settings.min_on_ms if self._level else self._settings.min_off_ms
        if wanted is not self._level and now_ms - self._changed_ms >= shortest:
            self._level = wanted
            self._changed_ms = now_ms
            self._pulse_due = False
        return self._level

    def cut(self, now_ms: int) -> None:
        """The output was switched off past this object, at once: nothing is owed any more."""
        self._account(now_ms)
        if self._level:
            self._changed_ms = now_ms
        self._level = False
        self._power = self._owed_ms = 0.0

    def state(self) -> dict[str, Any]:
        """The level, the power asked for in % and the on time owed in ms, as JSON."""
        return {"on": self._level, "power": self._power, "owed_ms": self._owed_ms}

    def _account(self, now_ms: int) -> None:
        settings = self._settings
        if self._last_ms is None:
            self._changed_ms = self._window_ends_ms = now_ms
        else:
            passed = now_ms - self._last_ms
            if 0 <= passed <= 2 * settings.window_ms:
                self._owed_ms += passed * (self._power / FULL_POWER - self._level)
            else:
                self._owed_ms = 0.0
                self._window_ends_ms = now_ms
            # A clock that was set back must not lengthen a shortest time.
            self._changed_ms = min(self._changed_ms, now_ms)
        self._last_ms = now_ms

    def _wanted(self, now_ms: int) -> bool:
        """What the output should do, shortest times aside."""
        settings = self._settings
        if now_ms >= self._window_ends_ms:
            self._pulse_due = not self._level
            missed = (now_ms - self._window_ends_ms) // settings.window_ms
            self._window_ends_ms += (missed + 1) * settings.window_ms
        if self._power in {0.0, FULL_POWER}:
            return self._power > 0
        left = self._window_ends_ms - now_ms
        due = self._owed_ms + self._power / FULL_POWER * left  # on time until the window ends
        if self._level:
            return due > 0
        return self._pulse_due and due > 0 and due >= settings.min_on_ms
