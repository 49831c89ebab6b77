"""Validators of what websocket clients, browsers and callers of actions send."""

from typing import Final

import probatio
from yarl import URL


def whole_number(value: object) -> int:
    """An integer >= 0 and no boolean, which Python would take for one."""
    if type(value) is not int or value < 0:
        raise probatio.Invalid("expected a whole number, 0 or more")
    return value


def http_address(value: object) -> str:
    """An http or https address without user, query or fragment; returned without last slash."""
    try:
        url = URL(value) if isinstance(value, str) else None
    except ValueError:
        url = None
    if (
        url is None
        or url.scheme not in ("http", "https")
        or not url.host
        or url.user is not None
        or url.password is not None
        or url.query_string
        or url.fragment
    ):
        raise probatio.Invalid("expected an address like http://127.0.0.1:8555")
    return str(url).rstrip("/")


def one_line(text: str) -> str:
    """A text without line breaks, which are control characters to a node's API."""
    return " ".join(text.split())


SERIES: Final = probatio.All(str, probatio.Match(r"^[^/\s]{1,64}/[^/\s]{1,255}\Z"))
"""Validates the name of a series, `<node_id>/<channel_id>`."""

BATCH: Final = probatio.All(
    str, probatio.Length(min=1, max=255), probatio.Match(r"^[^\x00-\x1f\x7f]+\Z")
)
"""Validates the name of a batch that may be stored."""
