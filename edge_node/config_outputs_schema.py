"""The schema of outputs, inputs, controllers and protection."""

from typing import Any, Final

import voluptuous as vol

from edge_node.config_schema import (
    Section,
    Validator,
    boolean,
    each,
    integer,
    needed,
    number,
    one_of,
    path_text,
    rising,
    slug,
    text,
)

KINDS: Final = ("heater", "pump", "valve", "cooler", "contactor")
CONTROLLERS: Final = ("pid", "hysteresis", "cascade", "fermentation")
_PIN: Final = integer(0, 53)
_LINE: Final[dict[str, Validator]] = {
    "driver": needed(one_of("gpio", "simulated"), "gpio or simulated"),
    "pin": _PIN,
    "file": path_text,
}


def _slug_or_null(value: object) -> str | None:
    return None if value is None else slug(value)


def _hold(value: object) -> dict[str, Any] | None:
    """`off` (YAML reads that as false), or what to hold."""
    if value is False:
        return None
    if not isinstance(value, dict):
        raise vol.Invalid("must be off, or {max_h: 72} to hold that long.")
    return _HOLD(value)


_HOLD: Final = Section(max_h=needed(number(0.1, 336), "the longest time in hours"))
_ACTUATOR: Final = Section(
    id=needed(slug, "an id such as heater"),
    name=text,
    kettle=slug,
    kind=needed(one_of(*KINDS), f"one of {', '.join(KINDS)}"),
    control=one_of("switch", "power"),
    **_LINE,
    active=one_of("high", "low"),
    window_s=number(1, 60),
    min_on_s=number(0, 3600),
    min_off_s=number(0, 3600),
    power_w=number(1, 20_000),
    requires=each(slug, "ids of outputs"),
    interlocks=each(slug, "ids of interlocks"),
    breaker=slug,
    mutex=slug,
    max_on_s=number(1, 86_400),
    max_on_per_hour_s=number(1, 3600),
    contactor=_slug_or_null,
    safe=boolean,
    on_lease_loss=_hold,
)
_PID: Final = Section(
    kp=needed(number(0.01, 1000), "percent per K"),
    ti_s=needed(number(1, 100_000), "seconds"),
    td_s=number(0, 10_000),
)
_OUTER: Final = Section(
    kp=needed(number(0.01, 100), "K per K"),
    ti_s=needed(number(1, 1_000_000), "seconds"),
)


def _number_or_null(low: float, high: float) -> Validator:
    check = number(low, high)
    return lambda value: None if value is None else check(value)


_CONTROLLER: Final = Section(
    id=needed(slug, "an id such as mash"),
    name=text,
    kettle=needed(slug, "the id of a kettle"),
    kind=needed(one_of(*CONTROLLERS), f"one of {', '.join(CONTROLLERS)}"),
    heater=_slug_or_null,
    cooler=_slug_or_null,
    pid=_PID,
    range=rising,
    max_rate=_number_or_null(0.01, 20),
    altitude_m=number(-400, 5000),
    boil_power=number(0, 100),
    boil_margin=number(0, 10),
    band_k=number(0.05, 10),
    inner_probe=slug,
    inner_max_k=number(0.5, 30),
    inner_min_k=number(0, 30),
    inner_range=rising,
    exchanger_l=number(0.5, 5000),
    outer=_OUTER,
)
_BUTTON: Final = Section(**_LINE, closed=one_of("high", "low"))

SAFETY: Final = Section(
    high_limit=number(1, 125),
    disagree_k=number(0.2, 20),
    volume_l=number(0.5, 5000),
    reference=one_of("optional", "required"),
    other_heat=boolean,
)
SECTIONS: Final[dict[str, Validator]] = {
    "actuators": each(_ACTUATOR, "outputs"),
    "interlocks": each(
        Section(
            id=needed(slug, "an id such as lid"),
            name=text,
            kettle=slug,
            **_LINE,
            closed=one_of("high", "low"),
        ),
        "interlocks",
    ),
    "breakers": each(
        Section(
            id=needed(slug, "an id such as main"),
            max_w=needed(number(100, 100_000), "the power that may be drawn, watts"),
        ),
        "breakers",
    ),
    "inputs": Section(stop=_BUTTON, override=_BUTTON, pairing=_BUTTON),
    "controllers": each(_CONTROLLER, "controllers"),
}
