"""What the configuration says of outputs and inputs, read without asking whether the rest is right.

The safe level has to be set before anything else can fail: an unknown key elsewhere in the file
must not leave an output to itself. So this reads the plain YAML and takes what it understands;
refusing what is wrong, with a sentence, is the business of the configuration's own check.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge_node import config_yaml
from edge_node.control.slow_pwm import SlowPwmSettings

DRIVERS: Final = ("gpio", "simulated")
_DEFAULT_WINDOW_S: Final = 5.0
_FULL: Final = 100.0


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """One output as its driver needs it.

    `kind`: heater, pump, valve, cooler, contactor. `pwm`: of an output with `control: power`, None
    of a switch. `safe` is the level in percent (0 or 100) that it has whenever nothing else is
    known; always 0 for a heater and a contactor. `contactor`: the id of the output in series with
    it. gpio: `pin` (BCM number) and `active_high`; simulated: `file`, the level file.
    """

    id: str
    kind: str
    driver: str
    safe: float
    pwm: SlowPwmSettings | None
    contactor: str | None
    pin: int | None
    active_high: bool
    file: Path | None


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One contact: an interlock by its own id, or `stop`, `override`, `pairing`.

    `closed_low`: a closed contact pulls the pin to ground (the pin's pull-up does the rest), else
    to 3.3 V. gpio: `pin` (BCM number); simulated: `file` (1 closed, 0 open).
    """

    id: str
    role: str  # interlock, stop, override, pairing
    driver: str
    closed_low: bool
    pin: int | None
    file: Path | None


@dataclass(frozen=True, slots=True)
class Specs:
    """All that could be understood, and what could not, each as a sentence."""

    outputs: tuple[OutputSpec, ...]
    inputs: tuple[InputSpec, ...]
    problems: tuple[str, ...]


def read_specs(path: Path) -> Specs:
    """The outputs and inputs of the configuration file `path`; never raises for its content."""
    document = config_yaml.read(path)
    data = document.data if isinstance(document.data, dict) else {}
    problems = list(document.problems)
    outputs: list[OutputSpec] = []
    inputs: list[InputSpec] = []
    for item in _items(data.get("actuators")):
        try:
            outputs.append(output_spec(item, path))
        except (KeyError, TypeError, ValueError) as err:
            problems.append(f"{path}: the actuator {item.get('id')} is not understood: {err!r}.")
    for role, item in _inputs(data):
        try:
            inputs.append(input_spec(role, item, path))
        except (KeyError, TypeError, ValueError) as err:
            problems.append(f"{path}: the input {item.get('id', role)} is not understood: {err!r}.")
    return Specs(tuple(outputs), tuple(inputs), tuple(problems))


def output_spec(item: Mapping[str, Any], path: Path) -> OutputSpec:
    """An output from its entry under `actuators`; KeyError, TypeError, ValueError."""
    kind = str(item["kind"])
    driver, pin, file = _driver(item, path)
    return OutputSpec(
        id=str(item["id"]),
        kind=kind,
        driver=driver,
        safe=0.0 if kind in {"heater", "contactor"} else _level(item.get("safe", False)),
        pwm=_pwm(item),
        contactor=item.get("contactor"),
        pin=pin,
        active_high=_word(item.get("active", "high"), "high", "low") == "high",
        file=file,
    )


def input_spec(role: str, item: Mapping[str, Any], path: Path) -> InputSpec:
    """An input from its entry; KeyError, TypeError, ValueError. `role` names a button."""
    driver, pin, file = _driver(item, path)
    return InputSpec(
        id=str(item["id"]) if role == "interlock" else role,
        role=role,
        driver=driver,
        closed_low=_word(item.get("closed", "low"), "low", "high") == "low",
        pin=pin,
        file=file,
    )


def _pwm(item: Mapping[str, Any]) -> SlowPwmSettings | None:
    if _word(item.get("control", "switch"), "switch", "power") == "switch":
        return None
    return SlowPwmSettings(
        window_ms=_ms(item.get("window_s", _DEFAULT_WINDOW_S)),
        min_on_ms=_ms(item.get("min_on_s", 0)),
        min_off_ms=_ms(item.get("min_off_s", 0)),
    )


def _driver(item: Mapping[str, Any], path: Path) -> tuple[str, int | None, Path | None]:
    driver = _word(item["driver"], *DRIVERS)
    if driver == "simulated":
        return driver, None, path.parent / str(item["file"])
    pin = item["pin"]
    if isinstance(pin, bool) or not isinstance(pin, int) or pin < 0:
        raise ValueError(f"pin must be a BCM number, not {pin!r}")
    return driver, pin, None


def _items(value: object) -> Iterator[dict[str, Any]]:
    for item in value if isinstance(value, list) else []:
        if isinstance(item, dict):
            yield item


def _inputs(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for item in _items(data.get("interlocks")):
        yield "interlock", item
    named = data.get("inputs")
    for role in ("stop", "override", "pairing"):
        button = named.get(role) if isinstance(named, dict) else None
        if isinstance(button, dict):
            yield role, button


def _word(value: object, *allowed: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{value!r} is none of {', '.join(allowed)}")
    return value


def _ms(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 3600:
        raise ValueError(f"{value!r} is no time from 0 to 3600 s")
    return round(value * 1000)


def _level(value: object) -> float:
    """YAML reads `on` and `off` as true and false."""
    if value in (True, "on"):
        return _FULL
    if value in (False, "off"):
        return 0.0
    raise ValueError(f"the safe level {value!r} is neither on nor off")
