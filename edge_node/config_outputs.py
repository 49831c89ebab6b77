"""What the configuration says of outputs, inputs, controllers and protection: plain data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

# Nothing in a brewery is hotter than boiling wort; above this a kettle boils dry.
DEFAULT_HIGH_LIMIT: Final = 105.0
DEFAULT_DISAGREE_K: Final = 2.0
# Of a kettle without a heater; one with a heater must say.
DEFAULT_VOLUME_L: Final = 20.0
# A heater is commanded again long before; pumps, valves and coolers may run for a day.
_MAX_ON_S: Final = {"heater": 3600.0, "pump": 86_400.0, "valve": 86_400.0, "cooler": 86_400.0}
# A compressor starts against its own pressure and dies of short cycles.
_COOLER_MIN_ON_S: Final = 180.0
_COOLER_MIN_OFF_S: Final = 300.0
_PWM_WINDOW_S: Final = 5.0
# A wort boils hard at 85 %; weather moves the boiling point by up to 1 K.
_BOIL_POWER: Final = 85.0
_BOIL_MARGIN_K: Final = 1.5
# How far the inner loop may be led above and below the setpoint, K, and within which °C: water
# around a coil must not end the enzymes of what flows through it, and air must not freeze beer.
_INNER: Final = {
    "cascade": (8.0, 5.0, (0.0, 85.0)),
    "fermentation": (10.0, 10.0, (-1.0, 40.0)),
}
_NO_INNER: Final = (0.0, 0.0, (0.0, DEFAULT_HIGH_LIMIT))


@dataclass(frozen=True, slots=True)
class ActuatorConfig:
    """One output.

    `kind` is heater, pump, valve, cooler or contactor; `control` is switch or power. `pin` is a BCM
    number with driver gpio, `file` the level file with driver simulated. `window_ms`, `min_on_ms`
    and `min_off_ms` of a `power` output are those of its slow PWM, of a `switch` the shortest times
    on and off. `safe` is 0 or 100: what it is without a lease; `hold_ms`, of what a fermentation
    controller drives, how long it may go on without one, or None. `max_on_ms` is the longest
    `max_on_s` of a command.
    """

    id: str
    name: str
    kettle_id: str | None
    kind: str
    control: str
    driver: str
    pin: int | None
    file: Path | None
    active_high: bool
    window_ms: int
    min_on_ms: int
    min_off_ms: int
    power_w: float
    requires: tuple[str, ...]
    interlocks: tuple[str, ...]
    breaker: str | None
    mutex: str | None
    max_on_ms: int
    max_on_per_hour_ms: int
    contactor: str | None
    safe: float
    hold_ms: int | None


@dataclass(frozen=True, slots=True)
class InterlockConfig:
    """A contact that must be closed: a lid, a level or a flow; `closed_low`: to ground then."""

    id: str
    name: str
    kettle_id: str | None
    driver: str
    pin: int | None
    file: Path | None
    closed_low: bool


@dataclass(frozen=True, slots=True)
class InputConfig:
    """A contact to ground (`closed_low`) or to 3.3 V; the stop is pressed when it is open."""

    driver: str
    pin: int | None
    file: Path | None
    closed_low: bool


@dataclass(frozen=True, slots=True)
class PidConfig:
    """Gains: % per K, seconds, seconds."""

    kp: float
    ti_s: float
    td_s: float


@dataclass(frozen=True, slots=True)
class OuterConfig:
    """Gains of an outer loop: K per K, seconds."""

    kp: float
    ti_s: float


@dataclass(frozen=True, slots=True)
class ControllerConfig:
    """A loop of one kettle.

    `kind` is pid, hysteresis, cascade or fermentation; `range` the setpoints it takes, °C;
    `max_rate` the fastest change of the setpoint in force, K/min, or None; `band_k` half the dead
    band. `pid` None: from volume and power of what the heater heats. From `boil_margin_k` below the
    boiling point at `altitude_m` a pid boils with `boil_power` %.

    Of a cascade, `inner_probe` is the channel in the water around the coil, and `exchanger_l` the
    litres of that (None: the volume of the heater's own kettle). Of a fermentation it is the
    chamber's air, which then serves the beer; None: the beer's own temperature switches. `outer`
    None: gains by rule. The inner setpoint stays within `inner_max_k` above and `inner_min_k` below
    the outer one, and within `inner_range`, °C.
    """

    id: str
    name: str
    kettle_id: str
    kind: str
    heater: str | None
    cooler: str | None
    pid: PidConfig | None
    range: tuple[float, float]
    max_rate: float | None
    altitude_m: float
    boil_power: float
    boil_margin_k: float
    band_k: float
    inner_probe: str | None
    inner_max_k: float
    inner_min_k: float
    inner_range: tuple[float, float]
    exchanger_l: float | None
    outer: OuterConfig | None


@dataclass(frozen=True, slots=True)
class SafetyConfig:
    """A kettle's limits: °C, K, litres; whether heat needs the leader's reference.

    `other_heat`: something else heats it, too (steam, gas, an element of another node), so a rise
    with its own heaters off says nothing of their relays.
    """

    high_limit: float = DEFAULT_HIGH_LIMIT
    disagree_k: float = DEFAULT_DISAGREE_K
    volume_l: float = DEFAULT_VOLUME_L
    reference_required: bool = False
    other_heat: bool = False


def actuator(path: Path, item: dict[str, Any]) -> ActuatorConfig:
    """An output of checked data, defaults filled in."""
    kind, control = item["kind"], item.get("control", "switch")
    min_on, min_off = 0.0, 0.0
    if control == "switch" and kind == "cooler":
        min_on, min_off = _COOLER_MIN_ON_S, _COOLER_MIN_OFF_S
    hold = item.get("on_lease_loss")
    return ActuatorConfig(
        id=item["id"],
        name=item.get("name", item["id"]),
        kettle_id=item.get("kettle"),
        kind=kind,
        control=control,
        driver=item["driver"],
        pin=item.get("pin"),
        file=_file(path, item),
        active_high=item.get("active", "high") == "high",
        window_ms=_ms(item.get("window_s", _PWM_WINDOW_S)),
        min_on_ms=_ms(item.get("min_on_s", min_on)),
        min_off_ms=_ms(item.get("min_off_s", min_off)),
        power_w=item.get("power_w", 0.0),
        requires=tuple(item.get("requires", ())),
        interlocks=tuple(item.get("interlocks", ())),
        breaker=item.get("breaker"),
        mutex=item.get("mutex"),
        max_on_ms=_ms(item.get("max_on_s", _MAX_ON_S.get(kind, 3600.0))),
        max_on_per_hour_ms=_ms(item.get("max_on_per_hour_s", 3600.0)),
        contactor=item.get("contactor"),
        safe=100.0 if item.get("safe", False) else 0.0,
        hold_ms=_ms(hold["max_h"] * 3600) if hold else None,
    )


def interlock(path: Path, item: dict[str, Any]) -> InterlockConfig:
    """An interlock of checked data."""
    return InterlockConfig(
        id=item["id"],
        name=item.get("name", item["id"]),
        kettle_id=item.get("kettle"),
        driver=item["driver"],
        pin=item.get("pin"),
        file=_file(path, item),
        closed_low=item.get("closed", "low") == "low",
    )


def contact(path: Path, item: dict[str, Any]) -> InputConfig:
    """A button of checked data."""
    return InputConfig(
        driver=item["driver"],
        pin=item.get("pin"),
        file=_file(path, item),
        closed_low=item.get("closed", "low") == "low",
    )


def controller(item: dict[str, Any]) -> ControllerConfig:
    """A controller of checked data."""
    low, high = item.get("range", (0.0, DEFAULT_HIGH_LIMIT))
    max_k, min_k, inner_range = _INNER.get(item["kind"], _NO_INNER)
    return ControllerConfig(
        id=item["id"],
        name=item.get("name", item["id"]),
        kettle_id=item["kettle"],
        kind=item["kind"],
        heater=item.get("heater"),
        cooler=item.get("cooler"),
        pid=_pid(item.get("pid")),
        range=(low, high),
        max_rate=item.get("max_rate"),
        altitude_m=item.get("altitude_m", 0.0),
        boil_power=item.get("boil_power", _BOIL_POWER),
        boil_margin_k=item.get("boil_margin", _BOIL_MARGIN_K),
        band_k=item.get("band_k", 0.5),
        inner_probe=item.get("inner_probe"),
        inner_max_k=item.get("inner_max_k", max_k),
        inner_min_k=item.get("inner_min_k", min_k),
        inner_range=item.get("inner_range", inner_range),
        exchanger_l=item.get("exchanger_l"),
        outer=OuterConfig(**item["outer"]) if "outer" in item else None,
    )


def safety(item: dict[str, Any]) -> SafetyConfig:
    """A kettle's limits of checked data."""
    return SafetyConfig(
        high_limit=item.get("high_limit", DEFAULT_HIGH_LIMIT),
        disagree_k=item.get("disagree_k", DEFAULT_DISAGREE_K),
        volume_l=item.get("volume_l", DEFAULT_VOLUME_L),
        reference_required=item.get("reference", "optional") == "required",
        other_heat=item.get("other_heat", False),
    )


def _file(path: Path, item: dict[str, Any]) -> Path | None:
    """A level or contact file, relative ones seen from the configuration file's folder."""
    return path.parent.absolute() / item["file"] if "file" in item else None


def _pid(item: dict[str, Any] | None) -> PidConfig | None:
    if item is None:
        return None
    return PidConfig(item["kp"], item["ti_s"], item.get("td_s", 0.0))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
