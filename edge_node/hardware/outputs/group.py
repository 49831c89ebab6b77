"""All outputs of a node: written by the actuation's tick, kept going by a thread of their own.

Whatever fails, everything that can is at its safe level: an exception of a driver, a pin that is
not what it was set to, a tick that comes no more, a thread that stands still.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from edge_node.hardware.outputs.output import DrivenPin, Output
from edge_node.hardware.outputs.pin import PinError

_LOGGER = logging.getLogger(__name__)

SERVICE_S: Final = 0.05  # a power output's shortest time on is a few half waves of the mains
BEAT_LIMIT_MS: Final = 2000  # four ticks
STALL_LIMIT_MS: Final = 1000


class StalledError(Exception):
    """The thread that serves the outputs stands still."""


class _Output:
    """One output as the actuation sees it."""

    def __init__(self, group: "Outputs", driven: DrivenPin) -> None:
        self._group = group
        self._driven = driven

    @property
    def id(self) -> str:
        return self._driven.spec.id

    @property
    def failed(self) -> str | None:
        return self._group.failed.get(self.id)

    def write(self, power: float, now_ms: int) -> None:
        self._group.write(self._driven, power, now_ms)

    def level(self) -> float:
        return self._driven.level

    def safe(self) -> None:
        self._group.safe_one(self._driven)

    def close(self) -> None:
        self._group.close_one(self._driven)


class Outputs(Mapping[str, Output]):
    """The outputs by id, all at their safe level until the first `beat`.

    `beat` ends each complete, healthy tick. Without one for BEAT_LIMIT_MS every output goes to its
    safe level, and what is written counts again only after the next one. An output that fails
    takes all others along until the node is started again: nobody knows what a pin does that does
    not obey. Times are CLOCK_BOOTTIME milliseconds. `release` ends what the pins share. `stop`: a
    stop is configured, so the safe level is off until `released` says that it is known not to be
    pressed.
    """

    def __init__(
        self,
        driven: list[DrivenPin],
        release: Callable[[], None] = lambda: None,
        *,
        stop: bool = False,
    ) -> None:
        # What a contactor feeds is off before it opens.
        self._driven = sorted(driven, key=lambda one: one.spec.kind == "contactor")
        contactors = {one.spec.id: one for one in driven if one.spec.kind == "contactor"}
        for one in self._driven:
            one.series = contactors.get(one.spec.contactor or "")
        self._outputs = {one.spec.id: _Output(self, one) for one in driven}
        self._release = release
        self.released: Callable[[], bool] = lambda: not stop
        self._lock = threading.RLock()
        self._beat_ms: int | None = None
        self._served_ms: int | None = None
        self._open = {one.spec.id for one in driven}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.failed: dict[str, str] = {}
        self.defect: str | None = None  # of the program, not of a pin; until it is started again
        self.safe()

    def __getitem__(self, output_id: str) -> Output:
        return self._outputs[output_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    @property
    def held(self) -> bool:
        """Whether every output is held at its safe level: no beat, or one has failed."""
        return self._beat_ms is None or bool(self.failed)

    def start(self) -> None:
        """Serve the outputs in a thread."""
        self._stopping.clear()
        self._served_ms = boottime_ms()
        self._thread = threading.Thread(target=self._run, name="outputs", daemon=True)
        self._thread.start()

    def beat(self, now_ms: int) -> None:
        """A complete, healthy tick has ended; StalledError (and all is safe) if nobody serves."""
        with self._lock:
            if self._served_ms is None or now_ms - self._served_ms > STALL_LIMIT_MS:
                self._beat_ms = None
                self.safe()
                raise StalledError(
                    f"The outputs were last served {_ago(now_ms, self._served_ms)}; all are at "
                    "their safe level."
                )
            if self._beat_ms is None:
                _LOGGER.info("The outputs obey the tick from now on")
            self._beat_ms = now_ms

    def service(self, now_ms: int) -> None:
        """One round: what is due on every pin, or the safe level on all while they are held."""
        with self._lock:
            if self._beat_ms is not None and now_ms - self._beat_ms > BEAT_LIMIT_MS:
                _LOGGER.error(
                    "The outputs go to their safe level: the last complete tick was %s",
                    _ago(now_ms, self._beat_ms),
                )
                self._beat_ms = None
            if self.held:
                self.safe()
            else:
                for one in self._driven:
                    self._try(one, lambda one=one: one.service(now_ms))  # type: ignore[misc]
            self._served_ms = now_ms

    def write(self, driven: DrivenPin, power: float, now_ms: int) -> None:
        """Give one output a new percent; ValueError if it is none, and it is off."""
        with self._lock:
            valid = 0 <= power <= 100  # NaN is not
            if not self.held:
                driven.power = power if valid else 0.0
                if driven.power == 0:
                    for load in self._driven:
                        if load.series is driven:
                            self._try(load, lambda load=load: load.set(False))  # type: ignore[misc]
                self._try(driven, lambda: driven.service(now_ms))
        if not valid:
            raise ValueError(f"output {driven.spec.id}: {power} is no percent from 0 to 100")

    def safe(self) -> None:
        """Everything to its safe level at once; what cannot has failed."""
        with self._lock:
            stopped = self._stopped()
            for one in self._driven:
                self._safe_one(one, stopped=stopped)

    def safe_one(self, driven: DrivenPin) -> None:
        """One output to its safe level at once."""
        with self._lock:
            self._safe_one(driven, stopped=self._stopped())

    def _safe_one(self, driven: DrivenPin, *, stopped: bool) -> None:
        if driven.spec.id in self._open:
            try:
                driven.safe(stopped=stopped)
            except Exception as err:  # noqa: BLE001  # whatever a driver throws, the others go on
                self._note(driven, err)

    def _stopped(self) -> bool:
        try:
            return not self.released()
        except Exception as err:  # noqa: BLE001  # no error of who is asked keeps a pin from safe
            self._note_defect("whether the stop is released cannot be told, so it is not", err)
            return True

    def close_one(self, driven: DrivenPin) -> None:
        """One output to its safe level, and its pin let go."""
        with self._lock:
            self.safe_one(driven)
            if driven.spec.id in self._open:
                self._open.discard(driven.spec.id)
                try:
                    driven.close()
                except PinError as err:
                    self._note(driven, err)

    def close(self) -> None:
        """End the thread, everything to its safe level, let go of all pins."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(5)
            self._thread = None
        with self._lock:
            self._beat_ms = None
            self.safe()
            for one in self._driven:
                self.close_one(one)
            self._release()

    def _try(self, driven: DrivenPin, action: Callable[[], None]) -> None:
        if driven.spec.id not in self._open:
            return
        try:
            action()
        except Exception as err:  # noqa: BLE001  # whatever a driver throws, all go off
            self._note(driven, err)
            self.safe()

    def _note(self, driven: DrivenPin, err: Exception) -> None:
        output_id = driven.spec.id
        if output_id in self.failed:
            return
        self.failed[output_id] = f"{err}"
        _LOGGER.error(
            "Output %s has failed: %s. All outputs stay at their safe level until the node is "
            "started again; look at the wiring of this one first",
            output_id,
            err,
        )

    def _note_defect(self, what: str, err: Exception) -> None:
        """Say it once; it may come back twenty times a second."""
        text = f"{what} ({type(err).__name__}: {err})"
        if text != self.defect:
            _LOGGER.error("The outputs met a defect: %s", text, exc_info=err)
        self.defect = text

    def _run(self) -> None:
        while not self._stopping.wait(SERVICE_S):
            try:
                self.service(boottime_ms())
            except Exception as err:  # noqa: BLE001  # without this thread nothing ends a pulse
                # Not served, so the next beat finds it standing still, and makes all safe.
                self._note_defect("serving them failed", err)


def boottime_ms() -> int:
    """CLOCK_BOOTTIME, milliseconds."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def _ago(now_ms: int, then_ms: int | None) -> str:
    return "never" if then_ms is None else f"{(now_ms - then_ms) / 1000:.1f} s ago"
