"""One output: a level in percent on one pin."""

from typing import Protocol

from edge_node.control.slow_pwm import SlowPwm
from edge_node.hardware.outputs.pin import OutputPin, PinError
from edge_node.hardware.outputs.spec import OutputSpec


class Output(Protocol):
    """What the actuation sees of an output."""

    @property
    def id(self) -> str:
        """Its id in the configuration."""

    @property
    def failed(self) -> str | None:
        """Why it can no longer be trusted, a sentence; None while it can."""

    def write(self, power: float, now_ms: int) -> None:
        """From now on `power` percent, 0-100 (a switch: any power is on).

        `now_ms` on CLOCK_BOOTTIME. ValueError for any other number, and it is off.
        """

    def level(self) -> float:
        """The percent in force: what was last written, unless something holds it back."""

    def safe(self) -> None:
        """Go to the safe level at once."""

    def close(self) -> None:
        """Go to the safe level and let go of the pin."""


class DrivenPin:
    """A pin and the percent it is to have; `series` is the contactor that feeds it, if any.

    Every setting is read back. Not for several threads at once.
    """

    def __init__(self, pin: OutputPin, spec: OutputSpec) -> None:
        self._pin = pin
        self.spec = spec
        self.series: DrivenPin | None = None
        self.power = 0.0
        self.on = False
        self._pwm = None if spec.pwm is None else SlowPwm(spec.pwm)

    @property
    def level(self) -> float:
        """The percent in force: nothing behind an open contactor."""
        fed = self.series is None or self.series.on
        return self.power if fed else 0.0

    def service(self, now_ms: int) -> None:
        """Give the pin what the percent asks for at this moment; PinError."""
        level = self.level
        wanted = level > 0
        if self._pwm is not None:
            if wanted:
                wanted = self._pwm.level(now_ms, level)
            else:
                self._pwm.cut(now_ms)  # off is off at once
        self.set(wanted)

    def set(self, on: bool) -> None:
        """Set the pin, and see that it is so; PinError."""
        self.on = on
        self._pin.set(on)
        if self._pin.get() is not on:
            raise PinError(f"it was set {'on' if on else 'off'} and is not")

    def safe(self, *, stopped: bool) -> None:
        """The safe level at once: off if the stop may be pressed (`stopped`); PinError."""
        self.power = 0.0 if stopped else self.spec.safe
        self.set(self.power > 0)

    def close(self) -> None:
        """Let go of the pin; PinError."""
        self._pin.close()
