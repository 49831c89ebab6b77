"""The contacts of a node: interlocks, the stop, and the buttons for override and pairing."""

import logging
import threading
from pathlib import Path
from typing import Any, Final

from edge_node.hardware.outputs.debounce import Debounce, Hold
from edge_node.hardware.outputs.gpio import GpioInput, pin_factory
from edge_node.hardware.outputs.group import boottime_ms
from edge_node.hardware.outputs.pin import InputPin, PinError
from edge_node.hardware.outputs.simulated import ContactFile
from edge_node.hardware.outputs.spec import InputSpec, read_specs

_LOGGER = logging.getLogger(__name__)

SETTLE_MS: Final = 60  # longer than a switch bounces, far shorter than a tick
HOLD_MS: Final = 3000
STALE_MS: Final = 1000  # a reading older than this says nothing
_SAMPLE_S: Final = 0.02
_SETTLED_BY_MS: Final = 2000  # one that still bounces then is unknown for a while
_JOIN_S: Final = 5


class _Contact:
    """One input: its pin once it could be opened, and what it is known to be."""

    def __init__(self, spec: InputSpec) -> None:
        self.spec = spec
        self.pin: InputPin | None = None
        self.problem: str | None = None
        self._debounce = Debounce(SETTLE_MS)
        self._hold = Hold(HOLD_MS)
        self.held = False
        self.opened = False

    @property
    def closed(self) -> bool | None:
        return self._debounce.state

    def sample(self, now_ms: int) -> None:
        raw = None
        if self.pin is not None:
            try:
                raw = self.pin.closed()
            except Exception as err:  # noqa: BLE001  # a driver may throw anything; it is unknown
                self.note(err)
            else:
                self.problem = None
        closed = self._debounce.step(now_ms, raw)
        if closed is False:
            self.opened = True
        if self._hold.step(now_ms, closed):
            self.held = True

    def note(self, err: Exception) -> None:
        if self.problem is None:
            _LOGGER.error("Input %s cannot be read: %s", self.spec.id, err)
        self.problem = str(err)


class Inputs:
    """All contacts, looked at in a thread of their own; `start` returns once they are known.

    What cannot be read, or has not been for STALE_MS, is unknown (None). `factory` is closed with
    the pins.
    """

    def __init__(self, pins: dict[InputSpec, InputPin | PinError], factory: Any = None) -> None:  # noqa: ANN401  # gpiozero's
        self._factory = factory
        self._contacts: list[_Contact] = []
        for spec, pin in pins.items():
            contact = _Contact(spec)
            if isinstance(pin, PinError):
                contact.note(pin)
            else:
                contact.pin = pin
            self._contacts.append(contact)
        self._lock = threading.Lock()
        self._sampled_ms: int | None = None
        self._defect: str | None = None  # of the program, while it lasts
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look at the contacts until they have settled (or cannot), then go on in a thread."""
        self._stopping.clear()
        deadline = boottime_ms() + _SETTLED_BY_MS
        self.sample(boottime_ms())
        # Counted in looks that agree, not in time: a busy machine looks seldom.
        while self._unsettled() and boottime_ms() < deadline:
            self._stopping.wait(_SAMPLE_S)
            self.sample(boottime_ms())
        self._thread = threading.Thread(target=self._run, name="inputs", daemon=True)
        self._thread.start()

    def sample(self, now_ms: int) -> None:
        """One look at every contact; `now_ms` on CLOCK_BOOTTIME."""
        with self._lock:
            for contact in self._contacts:
                contact.sample(now_ms)
            self._sampled_ms = now_ms

    def read(self, now_ms: int | None = None) -> dict[str, bool | None]:
        """Interlocks by id: closed, open or unknown (None); `stop`: pressed or unknown.

        An open wire is a pressed stop, and so is one that was open for a moment since the last
        read. `override`, `pairing`: True once after the button was held for three seconds. Only
        what is configured is there.
        """
        now_ms = boottime_ms() if now_ms is None else now_ms
        found: dict[str, bool | None] = {}
        with self._lock:
            stale = self._stale(now_ms)
            for contact in self._contacts:
                closed = None if stale else contact.closed
                match contact.spec.role:
                    case "stop":
                        pressed = None if closed is None else not closed
                        found[contact.spec.id] = contact.opened or pressed
                        contact.opened = False
                    case "interlock":
                        found[contact.spec.id] = closed
                    case _:
                        found[contact.spec.id], contact.held = contact.held, False
        return found

    def released(self, now_ms: int) -> bool:
        """Whether the stop, if any, is known to be released, and was so since the last read."""
        # Without the lock: an input that hangs must not keep what asks from switching off.
        stops = [contact for contact in self._contacts if contact.spec.role == "stop"]
        stale = self._stale(now_ms)
        return all(one.closed is True and not (one.opened or stale) for one in stops)

    @property
    def problems(self) -> dict[str, str]:
        """Why an input cannot be read, by its id."""
        with self._lock:
            said = {contact.spec.id: contact.problem or self._defect for contact in self._contacts}
        return {input_id: why for input_id, why in said.items() if why is not None}

    def close(self) -> None:
        """End the thread and let go of the pins."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_JOIN_S)
            self._thread = None
        for contact in self._contacts:
            if contact.pin is not None:
                try:
                    contact.pin.close()
                except PinError as err:
                    contact.note(err)
        if self._factory is not None:
            self._factory.close()

    def _stale(self, now_ms: int) -> bool:
        return self._sampled_ms is None or now_ms - self._sampled_ms > STALE_MS

    def _unsettled(self) -> bool:
        with self._lock:
            return any(c.closed is None and c.problem is None for c in self._contacts)

    def _run(self) -> None:
        while not self._stopping.wait(_SAMPLE_S):
            try:
                self.sample(boottime_ms())
            # Without this thread a contact that is mended would stay unknown for good. What is not
            # looked at is unknown within STALE_MS, and what depends on it off.
            except Exception as err:
                text = f"looking at it failed, {type(err).__name__}: {err}"
                if text != self._defect:  # else fifty times a second
                    _LOGGER.exception("The inputs are unknown: %s", text)
                self._defect = text
            else:
                self._defect = None


def open_inputs(path: Path) -> Inputs:
    """The contacts of the configuration file `path`; one that cannot be opened stays unknown."""
    return open_input_specs(read_specs(path).inputs)


def open_input_specs(specs: tuple[InputSpec, ...], factory: Any = None) -> Inputs:  # noqa: ANN401  # gpiozero's
    """The same for these inputs; `factory` of pins instead of gpiozero's on lgpio."""
    own = factory is None
    pins: dict[InputSpec, InputPin | PinError] = {}
    for spec in specs:
        try:
            if spec.driver == "gpio" and factory is None:
                factory = pin_factory()
            pins[spec] = _open(spec, factory)
        except PinError as err:
            pins[spec] = err
    return Inputs(pins, factory if own else None)


def _open(spec: InputSpec, factory: Any) -> InputPin:  # noqa: ANN401  # as above
    if spec.driver == "simulated":
        assert spec.file is not None
        return ContactFile(spec.file)
    assert spec.pin is not None
    return GpioInput(factory, spec.pin, closed_low=spec.closed_low)
