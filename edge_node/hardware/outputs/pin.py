"""What a driver is to the outputs and inputs: one pin, on or off."""

from typing import Protocol


class PinError(Exception):
    """A pin could not be set or read; the message says which and why."""


class OutputPin(Protocol):
    """A pin that drives something."""

    def set(self, on: bool) -> None:
        """Drive it; PinError."""

    def get(self) -> bool:
        """What it really is, read back; PinError."""

    def close(self) -> None:
        """Let go of it, as it is; PinError."""


class InputPin(Protocol):
    """A pin with a contact."""

    def closed(self) -> bool:
        """Whether the contact is closed; PinError."""

    def close(self) -> None:
        """Let go of it; PinError."""
