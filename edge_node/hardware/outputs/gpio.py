"""Pins of a Raspberry Pi, through gpiozero on lgpio; imported only where a pin is configured.

Source of the behaviour stated here: gpiozero's `OutputDevice`, `LocalPiPin` and `LGPIOPin`.
A pin is an input from power-on until the node opens it, and again when it is closed or the process
dies; only a resistor outside holds the safe level then: a pull-down, or for an active-low output a
pull-up. gpiozero on lgpio claims an output low and sets its level right after: without and with a
pull-up an active-low output is on for some microseconds when it is opened, too short for a
contactor, not for a solid-state relay. So heaters are to be active high. The service manager sets
the levels once more after the node has ended, however it did (`smart-beer-edge safe-level`).
"""

import importlib
from typing import Any

from edge_node.hardware.outputs.pin import PinError


def pin_factory() -> Any:  # noqa: ANN401  # gpiozero is there only where it is needed
    """The factory of gpiozero on lgpio; PinError if either is missing or refuses."""
    try:
        return importlib.import_module("gpiozero.pins.lgpio").LGPIOFactory()
    except Exception as err:
        raise PinError(
            f"the pins cannot be reached: {err!r}. Install smart-beer[edge,gpio], and let the user "
            "of the node open /dev/gpiochip0 (group gpio)"
        ) from err


class GpioOutput:
    """Pin `number` (BCM) as an output, `on` from the moment it is one."""

    def __init__(
        self,
        factory: Any,  # noqa: ANN401  # as above
        number: int,
        *,
        active_high: bool,
        on: bool,
    ) -> None:
        self._number = number
        try:
            self._device = importlib.import_module("gpiozero").DigitalOutputDevice(
                number, active_high=active_high, initial_value=on, pin_factory=factory
            )
        except Exception as err:
            raise PinError(f"pin {number} cannot be opened as an output: {err!r}") from err

    def set(self, on: bool) -> None:
        """Drive the pin; PinError."""
        try:
            self._device.value = int(on)
        except Exception as err:
            raise PinError(f"pin {self._number} cannot be set: {err!r}") from err

    def get(self) -> bool:
        """The level of the pin, seen from its active side; PinError."""
        try:
            return bool(self._device.value)
        except Exception as err:
            raise PinError(f"pin {self._number} cannot be read back: {err!r}") from err

    def close(self) -> None:
        """Make the pin an input again; PinError."""
        try:
            self._device.close()
        except Exception as err:
            raise PinError(f"pin {self._number} cannot be closed: {err!r}") from err


class GpioInput:
    """Pin `number` (BCM) with a contact to ground (`closed_low`) or to 3.3 V.

    The pin's own resistor pulls the other way, so an open wire is an open contact.
    """

    def __init__(
        self,
        factory: Any,  # noqa: ANN401  # as above
        number: int,
        *,
        closed_low: bool,
    ) -> None:
        self._number = number
        try:
            # gpiozero takes a pulled-up pin as active when it is low.
            self._device = importlib.import_module("gpiozero").DigitalInputDevice(
                number, pull_up=closed_low, pin_factory=factory
            )
        except Exception as err:
            raise PinError(f"pin {number} cannot be opened as an input: {err!r}") from err

    def closed(self) -> bool:
        """Whether the contact is closed; PinError."""
        try:
            return bool(self._device.value)
        except Exception as err:
            raise PinError(f"pin {self._number} cannot be read: {err!r}") from err

    def close(self) -> None:
        """Let go of the pin; PinError."""
        try:
            self._device.close()
        except Exception as err:
            raise PinError(f"pin {self._number} cannot be closed: {err!r}") from err
