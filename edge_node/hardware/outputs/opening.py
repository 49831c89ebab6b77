"""Opens the outputs, each at its safe level, before anything else of the node."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edge_node.hardware.outputs.gpio import GpioOutput, pin_factory
from edge_node.hardware.outputs.group import Outputs
from edge_node.hardware.outputs.output import DrivenPin
from edge_node.hardware.outputs.pin import OutputPin, PinError
from edge_node.hardware.outputs.simulated import LevelFile
from edge_node.hardware.outputs.spec import OutputSpec, read_specs

_LOGGER = logging.getLogger(__name__)


class _AbsentPin:
    """A pin that could not be opened; whatever is asked of it fails in the same way."""

    def __init__(self, reason: PinError) -> None:
        self._reason = reason

    def set(self, on: bool) -> None:  # noqa: ARG002  # nothing can be set
        raise self._reason

    def get(self) -> bool:
        raise self._reason

    def close(self) -> None:
        """There is nothing to let go of."""


def open_outputs(path: Path) -> Outputs:
    """The outputs of the configuration file `path`, all at their safe level; never raises.

    To be called first of all: before the rest of the configuration is checked, before the data
    folder, the spool, the probes and the network. In this order: the file is read; every contactor
    opens; every other output takes its safe level; then the rest of the node starts. `start` and
    the first `beat` of the result let them be anything else. An output that cannot be opened is
    there and has failed, so all stay at their safe level. Where a stop is configured everything is
    off until it is known to be released.
    """
    specs = read_specs(path)
    for problem in specs.problems:
        _LOGGER.error("Outputs: %s", problem)
    return open_specs(specs.outputs, stop=any(one.role == "stop" for one in specs.inputs))


def open_specs(
    specs: Iterable[OutputSpec],
    factory: Any = None,  # noqa: ANN401  # gpiozero's
    *,
    stop: bool = False,
) -> Outputs:
    """The same for these outputs; `factory` of pins instead of gpiozero's on lgpio."""
    ordered = sorted(specs, key=lambda spec: spec.kind != "contactor")
    own = factory is None
    refused: PinError | None = None
    driven = []
    for spec in ordered:
        if spec.driver == "gpio" and factory is None and refused is None:
            try:
                factory = pin_factory()
            except PinError as err:
                refused = err
        pin: OutputPin
        try:
            if spec.driver == "gpio" and refused is not None:
                raise refused
            pin = _open(spec, factory, on=spec.safe > 0 and not stop)
        except PinError as err:
            pin = _AbsentPin(err)
        driven.append(DrivenPin(pin, spec))
    release = factory.close if own and factory is not None else lambda: None
    return Outputs(driven, release, stop=stop)


def _open(spec: OutputSpec, factory: Any, *, on: bool) -> OutputPin:  # noqa: ANN401  # as above
    if spec.driver == "simulated":
        assert spec.file is not None
        return LevelFile(spec.file, on=on)
    assert spec.pin is not None
    return GpioOutput(factory, spec.pin, active_high=spec.active_high, on=on)
