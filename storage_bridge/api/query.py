"""Query parameters, checked: what is unknown, missing or out of range is refused with a reason."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from storage_bridge.model import MAX_TEXT, T_MAX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from aiohttp import web

MAX_SERIES: Final = 64
MAX_POINTS: Final = 10_000
MAX_LIMIT: Final = 10_000
DEFAULT_LIMIT: Final = 1_000
MAX_CURSOR: Final = 200


class BadQueryError(Exception):
    """A request that cannot be answered; the text says which parameter and why."""


@contextmanager
def sense() -> Iterator[None]:
    """The reader's own doubts about a question are the asker's to solve."""
    try:
        yield
    except ValueError as err:
        raise BadQueryError(str(err)) from err


def only(request: web.Request, known: Collection[str]) -> None:
    """Refuse parameters that are not known here."""
    for name in request.query:
        if name not in known:
            raise BadQueryError(
                f"Parameter {name[:40]!r} is not known here; known: {', '.join(known) or 'none'}"
            )


def one(request: web.Request, name: str) -> str | None:
    """A parameter that may be given once."""
    values = request.query.getall(name, [])
    if len(values) > 1:
        raise BadQueryError(f"Parameter {name!r} is given {len(values)} times")
    return values[0] if values else None


def number(request: web.Request, name: str, low: int, high: int, default: int | None = None) -> int:
    """A whole number from `low` to `high`; required when there is no default."""
    text = one(request, name)
    if text is None:
        if default is None:
            raise BadQueryError(f"Parameter {name!r} is missing")
        return default
    # At most 16 digits: int() of a long text costs time that grows with its square.
    if not (text.isascii() and text.isdigit() and len(text) <= 16) or not low <= int(text) <= high:
        raise BadQueryError(f"Parameter {name!r} must be a whole number from {low} to {high}")
    return int(text)


def time_range(request: web.Request) -> tuple[int, int]:
    """`start` and `end` in UTC milliseconds, start before end."""
    start = number(request, "start", 0, T_MAX)
    end = number(request, "end", 0, T_MAX)
    if start >= end:
        raise BadQueryError(f"The range ends ({end}) before it starts ({start})")
    return start, end


def series_list(request: web.Request) -> list[str]:
    """`series`, given once or several times."""
    found = list(dict.fromkeys(request.query.getall("series", [])))
    if not found:
        raise BadQueryError("Parameter 'series' is missing")
    if len(found) > MAX_SERIES:
        raise BadQueryError(f"{len(found)} series are asked for; at most {MAX_SERIES} at a time")
    for name in found:
        _check_series(name)
    return found


def one_series(request: web.Request) -> str:
    """`series`, given exactly once."""
    name = one(request, "series")
    if name is None:
        raise BadQueryError("Parameter 'series' is missing")
    _check_series(name)
    return name


def cursor(request: web.Request) -> str | None:
    """`cursor`, as a reply's `next` gave it."""
    text = one(request, "cursor")
    if text is not None and (not text or len(text) > MAX_CURSOR):
        raise BadQueryError("Parameter 'cursor' is not one that a reply gave as `next`")
    return text


def _check_series(name: str) -> None:
    if (
        not 0 < len(name) <= MAX_TEXT
        or "\0" in name
        or any("\ud800" <= c <= "\udfff" for c in name)
    ):
        raise BadQueryError(f"A series is a text of 1 to {MAX_TEXT} characters")
