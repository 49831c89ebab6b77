"""PURE: regulation on the node. Standard library only, no clock of its own, no I/O.

Every controller takes frozen, checked settings and the time as integer milliseconds of the node's
monotonic clock. None ever asks for power on an input that it cannot use.
"""

from typing import Any, Protocol


class Controller(Protocol):
    """What all controllers share."""

    def step(
        self, now_ms: int, process: float | None, setpoint: float | None, achieved: float | None
    ) -> float:
        """The power to ask for from now on, always finite and in 0-100 %.

        `process`, `setpoint`: °C, None for "there is none". `achieved`: the power, in %, that the
        output really had since the last step after permits and limits (its mean, not the level a
        slow PWM happens to have), None if nothing limited what was asked for. 0 comes back for an
        input that is missing or not finite.
        """

    def reset(self) -> None:
        """Forget everything but the settings, as after a start."""

    def state(self) -> dict[str, Any]:
        """What the controller thinks, as JSON, for people to see."""
