"""What the API's handlers work with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

if TYPE_CHECKING:
    from storage_bridge.reader import Reader
    from storage_bridge.tiers.base import Tiers


@dataclass(frozen=True, slots=True)
class Context:
    """What the API shows. `failing` is the name of a part that does not work, or None.

    `stale` says why the newest samples of some series may not be in hot, or None.
    """

    reader: Reader
    tiers: Tiers
    status: Callable[[], Awaitable[dict[str, Any]]]
    metrics: Callable[[], Awaitable[str]]
    failing: Callable[[], str | None]
    stale: Callable[[], str | None]
    secret: str = field(repr=False)


CONTEXT: Final = web.AppKey("context", Context)


def json_reply(payload: object, status: int = 200) -> web.Response:
    """A JSON response."""
    return web.Response(body=orjson.dumps(payload), status=status, content_type="application/json")
