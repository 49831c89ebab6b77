"""The schema of the configuration file: keys, types and ranges, each refusal a sentence."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import voluptuous as vol

Validator = Callable[[Any], Any]

_SLUG: Final = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KB|KiB|MB|MiB|GB|GiB|TB|TiB)?")
_SIZES: Final = {
    "B": 1,
    "KB": 10**3,
    "KiB": 2**10,
    "MB": 10**6,
    "MiB": 2**20,
    "GB": 10**9,
    "GiB": 2**30,
    "TB": 10**12,
    "TiB": 2**40,
}
# Room for a few thousand samples at least; SQLite itself could hold far more than the upper one.
_MIN_SPOOL: Final = 2**20
_MAX_SPOOL: Final = 2**40

UNITS: Final = {"°C": "temperature", "kPa": "pressure", "vol": "co2"}
DEVICE_CLASSES: Final[Mapping[str, str | None]] = {
    "temperature": "temperature",
    "pressure": "pressure",
    "co2": None,
}


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


class Section:
    """A mapping with known keys; reports every unknown, missing and wrong one together."""

    def __init__(self, **fields: Validator) -> None:
        """`fields` maps a key to its validator; one made by `needed` must be there."""
        self._fields = fields

    def __call__(self, value: object) -> dict[str, Any]:
        """The validated mapping, only with the keys that were given; vol.MultipleInvalid."""
        if not isinstance(value, dict):
            raise vol.Invalid(f"must be a mapping with keys of {self._known()}.")
        errors: list[vol.Invalid] = [
            vol.Invalid(f"is not a known key here; known are {self._known()}.", [key])
            for key in value
            if key not in self._fields
        ]
        errors += [
            vol.Invalid(f"the key {key} is missing; it must be {field.what}.")
            for key, field in self._fields.items()
            if isinstance(field, _Needed) and key not in value
        ]
        schema = vol.Schema({vol.Optional(key): field for key, field in self._fields.items()})
        result: dict[str, Any] = {}
        try:
            result = schema({key: value[key] for key in value if key in self._fields})
        except vol.MultipleInvalid as err:
            errors += err.errors
        if errors:
            raise vol.MultipleInvalid(errors)
        return result

    def _known(self) -> str:
        return ", ".join(self._fields)


class _Needed:
    def __init__(self, validator: Validator, what: str) -> None:
        self._validator = validator
        self.what = what

    def __call__(self, value: object) -> object:
        return self._validator(value)


def needed(validator: Validator, what: str) -> Validator:
    """A validator of a key that must be given; `what` ends the sentence 'it must be ...'."""
    return _Needed(validator, what)


def each(validator: Validator, what: str) -> Validator:
    """A list whose items all pass `validator`, with the problems of all items."""

    def check(value: object) -> list[Any]:
        if not isinstance(value, list):
            raise vol.Invalid(f"must be a list of {what}.")
        items: list[Any] = []
        errors: list[vol.Invalid] = []
        for index, item in enumerate(value):
            try:
                items.append(validator(item))
            except vol.MultipleInvalid as err:
                err.prepend([index])
                errors += err.errors
            except vol.Invalid as err:
                err.prepend([index])
                errors.append(err)
        if errors:
            raise vol.MultipleInvalid(errors)
        return items

    return check


def slug(value: object) -> str:
    """An id: lower case letters, digits, single - or _ between them, at most 48 characters."""
    if not isinstance(value, str) or not _SLUG.fullmatch(value) or len(value) > 48:
        raise vol.Invalid(
            "must be an id of lower case letters and digits, with single - or _ between them, "
            f"at most 48 long; {_shown(value)} is not."
        )
    return value


def text(value: object) -> str:
    """A printable name of 1 to 64 characters."""
    if not isinstance(value, str) or not 1 <= len(value.strip()) <= 64 or not value.isprintable():
        raise vol.Invalid(f"must be text of 1 to 64 printable characters, not {_shown(value)}.")
    return value.strip()


def path_text(value: object) -> str:
    """A path as text."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise vol.Invalid(f"must be a path, not {_shown(value)}.")
    return value


def boolean(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise vol.Invalid(f"must be true or false, not {_shown(value)}.")
    return value


def number(low: float, high: float) -> Validator:
    """A finite number within [low, high]."""

    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise vol.Invalid(f"must be a number from {low:g} to {high:g}, not {_shown(value)}.")
        if not low <= value <= high:
            raise vol.Invalid(f"must be from {low:g} to {high:g}; {value:g} is not.")
        return float(value)

    return check


def integer(low: int, high: int) -> Validator:
    """A whole number within [low, high]."""

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise vol.Invalid(f"must be a whole number from {low} to {high}, not {_shown(value)}.")
        return value

    return check


def one_of(*allowed: str) -> Validator:
    """One of a few words."""

    def check(value: object) -> str:
        if value not in allowed or not isinstance(value, str):
            raise vol.Invalid(f"must be one of {', '.join(allowed)}; {_shown(value)} is not.")
        return value

    return check


def matching(pattern: str, what: str) -> Validator:
    """Text of one form."""
    compiled = re.compile(pattern)

    def check(value: object) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise vol.Invalid(f"must be {what}, not {_shown(value)}.")
        return value

    return check


def size(value: object) -> int:
    """Bytes, as a whole number or as text such as 2GiB, from 1 MiB to 1 TiB."""
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found:
        count = int(float(found[1]) * _SIZES[found[2] or "B"])
    elif isinstance(value, int) and not isinstance(value, bool):
        count = value
    else:
        raise vol.Invalid(f"must be a size such as 512MiB or 2GiB, not {_shown(value)}.")
    if not _MIN_SPOOL <= count <= _MAX_SPOOL:
        raise vol.Invalid(f"must be from 1MiB to 1TiB; {_shown(value)} is not.")
    return count


def pair(value: object) -> tuple[float, float]:
    """Two finite numbers."""
    if (
        not isinstance(value, list)
        or len(value) != 2
        or any(isinstance(part, bool) or not isinstance(part, int | float) for part in value)
    ):
        raise vol.Invalid(f"must be two numbers such as [0, 100], not {_shown(value)}.")
    return float(value[0]), float(value[1])


def rising(value: object) -> tuple[float, float]:
    """Two numbers, the first below the second."""
    low, high = pair(value)
    if low >= high:
        raise vol.Invalid(f"must be [low, high] with low below high; [{low:g}, {high:g}] is not.")
    return low, high


def calibration(value: object) -> tuple[tuple[float, float], ...]:
    """One or two points [raw, true]; two must differ in raw and have a slope from 0.5 to 2."""
    points = tuple(each(pair, "points [raw, true]")(value))
    if not 1 <= len(points) <= 2:
        raise vol.Invalid(f"must be one or two points [raw, true], not {len(points)}.")
    if len(points) == 2:
        (raw_a, true_a), (raw_b, true_b) = points
        # Beyond this it is no calibration but a wrong probe or two numbers swapped.
        if raw_a == raw_b or not 0.5 <= (true_b - true_a) / (raw_b - raw_a) <= 2:
            raise vol.Invalid("must be two points whose slope is from 0.5 to 2.")
    return points


def unit(*allowed: str) -> Validator:
    """A unit that this driver can deliver, spelled exactly so."""

    def check(value: object) -> str:
        if value not in allowed or not isinstance(value, str):
            known = (
                ""
                if isinstance(value, str) and value in UNITS
                else " is no unit that is known here;"
            )
            raise vol.Invalid(f"{_shown(value)}{known} must be {' or '.join(allowed)}.")
        return value

    return check


_COMMON: Final[dict[str, Validator]] = {
    "id": needed(slug, "an id such as mash_temp"),
    "name": text,
    "kettle": slug,
    "driver": text,
    "role": one_of("process", "auxiliary"),
    "limits": rising,
    "stale_s": number(1, 3600),
    "unit": unit(*UNITS),
}
_PROBE: Final[dict[str, Validator]] = {
    **_COMMON,
    "offset": number(-50, 50),
    "calibration": calibration,
}
_DRIVERS: Final[dict[str, Section]] = {
    "w1": Section(
        **{**_PROBE, "unit": unit("°C")},
        device=needed(
            matching(r"[0-9a-f]{2}-[0-9a-f]{12}", "a 1-Wire id such as 28-0000000000a1"),
            "the probe's folder name such as 28-0000000000a1",
        ),
        resolution=integer(9, 12),
    ),
    "iio": Section(
        **{**_PROBE, "unit": unit("kPa", "°C")},
        device=needed(
            matching(r"iio:device\d+", "an industrial I/O device such as iio:device0"),
            "a device such as iio:device0",
        ),
        input=needed(
            matching(r"(?:voltage|current)\d+(?:-(?:voltage|current)\d+)?", "such as voltage0"),
            "an input such as voltage0",
        ),
        shunt_ohms=number(1, 10_000),
        span=needed(
            Section(
                **{
                    "from": needed(rising, "[low, high] in volts or milliamperes"),
                    "to": needed(pair, "the two values that they stand for"),
                }
            ),
            "{from: [0.5, 4.5], to: [0, 413.7]}",
        ),
    ),
    "carbonation": Section(
        **{**_COMMON, "unit": unit("vol")},
        temperature=needed(slug, "the id of a temperature channel"),
        pressure=needed(slug, "the id of a pressure channel"),
    ),
    "replay": Section(
        **_PROBE,
        file=needed(path_text, "the path of a CSV file"),
        column=integer(1, 99),
        loop=boolean,
        clock=one_of("start", "wall"),
    ),
    "simulated": Section(**_PROBE),
}


def channel(value: object) -> dict[str, Any]:
    """One channel, checked by the section of its driver."""
    if not isinstance(value, dict):
        raise vol.Invalid("must be a mapping with at least id and driver.")
    driver = value.get("driver")
    if not isinstance(driver, str) or driver not in _DRIVERS:
        said = f"{_shown(driver)} is not." if "driver" in value else "it is missing."
        raise vol.Invalid(f"must be one of {', '.join(_DRIVERS)}; {said}", ["driver"])
    result = _DRIVERS[driver](value)
    if "offset" in result and "calibration" in result:
        raise vol.Invalid("cannot stand beside calibration; give one of them.", ["offset"])
    return result
