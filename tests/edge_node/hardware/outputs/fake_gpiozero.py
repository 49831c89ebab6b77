"""The smallest stand-in for the part of gpiozero that is used here: devices on a board of pins.

As documented there: a device's `value` is seen from its active side; `initial_value` is the level
from the start; `pull_up=True` makes a low pin active; one pin serves one device; a closed device
leaves its pin an input; a device that is closed cannot be used.
"""

from dataclasses import dataclass, field


class GPIOPinInUseError(Exception):
    """A second device wants the pin."""


class DeviceClosedError(Exception):
    """The device was closed."""


@dataclass
class Board:
    """Electrical levels by BCM number, every one that an output had, and what is wrong."""

    levels: dict[int, bool] = field(default_factory=dict)
    history: list[tuple[int, bool]] = field(default_factory=list)
    in_use: set[int] = field(default_factory=set)
    broken: dict[int, Exception] = field(default_factory=dict)  # raised when the pin is driven
    shorted: dict[int, bool] = field(default_factory=dict)  # shows this level whatever is driven
    closed: bool = False

    def claim(self, pin: int) -> None:
        if pin in self.in_use:
            raise GPIOPinInUseError(f"pin GPIO{pin} is already in use")
        self.in_use.add(pin)

    def drive(self, pin: int, high: bool) -> None:
        if pin in self.broken:
            raise self.broken[pin]
        self.levels[pin] = high
        self.history.append((pin, high))

    def shows(self, pin: int) -> bool:
        return self.shorted.get(pin, self.levels.get(pin, False))

    def close(self) -> None:
        self.closed = True


class _Device:
    def __init__(self, pin: int, board: Board) -> None:
        board.claim(pin)
        self._pin = pin
        self._board: Board | None = board

    def _open(self) -> Board:
        if self._board is None:
            raise DeviceClosedError
        return self._board

    def close(self) -> None:
        if self._board is not None:
            self._board.in_use.discard(self._pin)
            self._board = None


class DigitalOutputDevice(_Device):
    def __init__(
        self,
        pin: int,
        *,
        active_high: bool = True,
        initial_value: bool | None = False,
        pin_factory: Board,
    ) -> None:
        super().__init__(pin, pin_factory)
        self._active_high = active_high
        if initial_value is not None:
            self.value = int(initial_value)

    @property
    def value(self) -> int:
        return int(self._open().shows(self._pin) is self._active_high)

    @value.setter
    def value(self, value: int) -> None:
        self._open().drive(self._pin, bool(value) is self._active_high)


class DigitalInputDevice(_Device):
    def __init__(self, pin: int, *, pull_up: bool = False, pin_factory: Board) -> None:
        super().__init__(pin, pin_factory)
        self._pull_up = pull_up
        pin_factory.levels.setdefault(pin, pull_up)  # nothing but the pull is on it

    @property
    def value(self) -> int:
        board = self._open()
        if self._pin in board.broken:
            raise board.broken[self._pin]
        return int(board.shows(self._pin) is not self._pull_up)
