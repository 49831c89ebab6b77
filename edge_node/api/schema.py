"""Parameters and fields: one small table checks what comes in and describes it in OpenAPI. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from edge_node.api.errors import ApiError, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

# The JSON number grammar; ASCII digits only.
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")


class Kind(Protocol):
    """A type of value that a field or parameter can take."""

    def schema(self) -> dict[str, Any]:
        """Its JSON schema."""

    def check(self, value: Any) -> None:  # noqa: ANN401 - anything JSON may hold
        """Raise TypeError for another type, ValueError out of range; both say what is expected."""

    def parse(self, text: str) -> Any:  # noqa: ANN401
        """The value that a query parameter's text means; raises as check does."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string: of a pattern (whole), or of some values, or of some length without controls."""

    min_length: int = 1
    max_length: int = 64
    pattern: str | None = None
    choices: tuple[str, ...] = ()

    def schema(self) -> dict[str, Any]:
        """As Kind."""
        if self.choices:
            return {"type": "string", "enum": list(self.choices)}
        pattern = self.pattern or PRINTABLE
        return {
            "type": "string",
            "minLength": self.min_length,
            "maxLength": self.max_length,
            "pattern": f"^{pattern}$",
        }

    def check(self, value: Any) -> None:  # noqa: ANN401
        """As Kind."""
        if not isinstance(value, str):
            raise TypeError("must be a string")
        if self.choices:
            if value not in self.choices:
                raise TypeError(f"must be one of {', '.join(self.choices)}")
            return
        if not self.min_length <= len(value) <= self.max_length:
            raise TypeError(f"must have {self.min_length} to {self.max_length} characters")
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            raise TypeError(f"must match {self.pattern}")
        # Half a surrogate pair can be escaped in JSON, but neither written nor shown.
        if not re.fullmatch(PRINTABLE, value) or re.search(r"[\ud800-\udfff]", value):
            raise TypeError("must hold no control characters")

    def parse(self, text: str) -> str:
        """As Kind."""
        self.check(text)
        return text


# No controls: it is shown in terminals and written to files.
PRINTABLE = r"[^\u0000-\u001f\u007f-\u009f]*"


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number, bounds included."""

    minimum: int
    maximum: int

    def schema(self) -> dict[str, Any]:
        """As Kind."""
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}

    def check(self, value: Any) -> None:  # noqa: ANN401
        """As Kind."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError("must be a whole number")
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"must be {self.minimum} to {self.maximum}")

    def parse(self, text: str) -> int:
        """As Kind."""
        if len(text) > 20 or not INTEGER.fullmatch(text):
            raise TypeError("must be a whole number")
        value = int(text)
        self.check(value)
        return value


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number, bounds included."""

    minimum: float
    maximum: float

    def schema(self) -> dict[str, Any]:
        """As Kind."""
        return {"type": "number", "minimum": self.minimum, "maximum": self.maximum}

    def check(self, value: Any) -> None:  # noqa: ANN401
        """As Kind."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError("must be a number")
        if not math.isfinite(value) or not self.minimum <= value <= self.maximum:
            raise ValueError(f"must be {self.minimum} to {self.maximum}")

    def parse(self, text: str) -> float:
        """As Kind."""
        if len(text) > 40 or not NUMBER.fullmatch(text):
            raise TypeError("must be a number")
        value = float(text)
        self.check(value)
        return value


@dataclass(frozen=True, slots=True)
class OrNull:
    """The same, or null."""

    kind: Kind

    def schema(self) -> dict[str, Any]:
        """As Kind."""
        return {"anyOf": [self.kind.schema(), {"type": "null"}]}

    def check(self, value: Any) -> None:  # noqa: ANN401
        """As Kind."""
        if value is not None:
            self.kind.check(value)

    def parse(self, text: str) -> Any:  # noqa: ANN401
        """As Kind."""
        return self.kind.parse(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A query parameter; it may be left out."""

    name: str
    kind: Kind
    description: str
    default: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of a request's body; unless `required` is False it must be there."""

    name: str
    kind: Kind
    description: str
    required: bool = True


class Object:
    """An object with exactly these fields."""

    __slots__ = ("_fields",)

    def __init__(self, *fields: Field) -> None:
        self._fields = fields

    def schema(self) -> dict[str, Any]:
        """As Kind."""
        return body_schema(self._fields)

    def check(self, value: Any) -> None:  # noqa: ANN401
        """As Kind."""
        if not isinstance(value, dict):
            raise TypeError("must be an object")
        known = {field.name: field for field in self._fields}
        if unknown := [name for name in value if name not in known]:
            raise TypeError(f"must hold {', '.join(known)} and not {quoted(unknown[0])}")
        for name, field in known.items():
            if name in value:
                _check_part(field.kind, value[name], f"needs a {name} that")
            elif field.required:
                raise TypeError(f"must hold {name}")

    def parse(self, text: str) -> Any:  # noqa: ANN401
        """As Kind: no query parameter can be an object."""
        raise TypeError(f"cannot be an object, as {quoted(text)}")


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of `fewest` to `most` such items."""

    item: Kind
    most: int
    fewest: int = 0

    def schema(self) -> dict[str, Any]:
        """As Kind."""
        return {
            "type": "array",
            "items": self.item.schema(),
            "minItems": self.fewest,
            "maxItems": self.most,
        }

    def check(self, value: Any) -> None:  # noqa: ANN401
        """As Kind."""
        if not isinstance(value, list):
            raise TypeError("must be a list")
        if not self.fewest <= len(value) <= self.most:
            raise TypeError(f"must have {self.fewest} to {self.most} items")
        for item in value:
            _check_part(self.item, item, "needs items each of which")

    def parse(self, text: str) -> Any:  # noqa: ANN401
        """As Kind: no query parameter can be a list."""
        raise TypeError(f"cannot be a list, as {quoted(text)}")


def _check_part(kind: Kind, value: Any, needs: str) -> None:  # noqa: ANN401
    """As Kind.check, saying what part of the whole it is about."""
    try:
        kind.check(value)
    except (TypeError, ValueError) as err:
        raise type(err)(f"{needs} {err}") from err


def check_query(parameters: tuple[Parameter, ...], given: list[tuple[str, str]]) -> dict[str, Any]:
    """Return every parameter's value, defaults filled in.

    Raises ApiError 400: `unknown_parameter`, `bad_parameter` (twice, of another type, or out of
    range).
    """
    known = {parameter.name: parameter for parameter in parameters}
    values: dict[str, Any] = {parameter.name: parameter.default for parameter in parameters}
    seen: set[str] = set()
    for name, text in given:
        if name not in known:
            takes = ", ".join(known) or "none"
            raise ApiError(
                400,
                "unknown_parameter",
                f"there is no parameter {quoted(name)} here; this call takes: {takes}",
                detail={"known": list(known)},
            )
        detail = {"parameter": name}
        if name in seen:
            raise ApiError(400, "bad_parameter", f"{name} is given twice", detail=detail)
        seen.add(name)
        try:
            values[name] = known[name].kind.parse(text)
        except (TypeError, ValueError) as err:
            message = f"{name} {err}, not {quoted(text)}"
            raise ApiError(400, "bad_parameter", message, detail=detail) from err
    return values


def check_fields(fields: tuple[Field, ...], given: Mapping[str, Any]) -> None:
    """Raise ApiError 400 `unknown_field`, `missing_field`, `bad_field`; 422 `out_of_range`."""
    known = {field.name: field for field in fields}
    for name in given:
        if name not in known:
            raise ApiError(
                400,
                "unknown_field",
                f"there is no field {quoted(name)} here; this call takes: {', '.join(known)}",
                detail={"known": list(known)},
            )
    for name, field in known.items():
        detail = {"field": name}
        if name not in given:
            if not field.required:
                continue
            raise ApiError(400, "missing_field", f"the field {name} is missing", detail=detail)
        try:
            field.kind.check(given[name])
        except TypeError as err:
            raise ApiError(400, "bad_field", f"{name} {err}", detail=detail) from err
        except ValueError as err:
            raise ApiError(422, "out_of_range", f"{name} {err}", detail=detail) from err


def body_schema(fields: tuple[Field, ...]) -> dict[str, Any]:
    """The JSON schema of a body with exactly these fields."""
    return {
        "type": "object",
        "properties": {
            field.name: {**field.kind.schema(), "description": field.description}
            for field in fields
        },
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
    }
