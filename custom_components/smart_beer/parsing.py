"""Small checks that turn untyped JSON into typed values. PURE: standard library only."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


# Beyond every seq, time and reading there can be; JSON itself has no bound.
LARGEST = 2**53


def a_str(data: Mapping[str, Any], key: str) -> str:
    """The non-empty text under `key`; ValueError when there is none."""
    value = data.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key} is missing or no text")
    return value


def maybe_str(data: Mapping[str, Any], key: str) -> str | None:
    """The text under `key`, or None when it is missing, empty or something else."""
    value = data.get(key)
    return value if isinstance(value, str) and value else None


def an_int(data: Mapping[str, Any], key: str) -> int:
    """The whole number >= 0 under `key`; ValueError when there is none (a boolean is none)."""
    value = data.get(key)
    if type(value) is not int or not 0 <= value < LARGEST:
        raise ValueError(f"{key} is missing or no whole number")
    return value


def maybe_int(data: Mapping[str, Any], key: str) -> int | None:
    """The whole number under `key`, or None."""
    value = data.get(key)
    return value if type(value) is int and -LARGEST < value < LARGEST else None


def maybe_float(data: Mapping[str, Any], key: str) -> float | None:
    """The finite number under `key`, or None."""
    value = data.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if -LARGEST < value < LARGEST else None


def a_dict(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The object under `key`; ValueError when there is none."""
    value = data.get(key)
    if not isinstance(value, dict):
        raise ValueError(f"{key} is missing or no object")  # noqa: TRY004  as for any other fault
    return value


def a_list(data: Mapping[str, Any], key: str) -> list[Any]:
    """The list under `key`; ValueError when there is none."""
    value = data.get(key)
    if not isinstance(value, list):
        raise ValueError(f"{key} is missing or no list")  # noqa: TRY004  as for any other fault
    return value


def objects(data: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects listed under `key`, none when it is missing; ValueError for anything else."""
    if key not in data:
        return []
    items = a_list(data, key)
    if not all(isinstance(item, dict) for item in items):
        raise ValueError(f"{key} holds something that is no object")
    return items


def texts(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The texts listed under `key`; none when it is missing, and anything else is left out."""
    value = data.get(key)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def counts(data: object) -> dict[str, int]:
    """The whole numbers of an object by name; anything else in it is left out."""
    if not isinstance(data, dict):
        return {}
    return {str(key): value for key, value in data.items() if type(value) is int}
