"""The bridge's API over stores of a test, for whoever serves it."""

from typing import Any, Final

from aiohttp import web

from storage_bridge.api import Context, create_app
from storage_bridge.reader import Reader
from storage_bridge.tiers import Tiers

SECRET: Final = "the-secret"


def api_over(tiers: Tiers) -> web.Application:
    """The application, of a bridge that has nothing to say of itself; it asks for SECRET."""

    async def nothing() -> Any:
        return {}

    return create_app(
        Context(
            reader=Reader(*tiers),
            tiers=tiers,
            status=nothing,
            metrics=nothing,
            failing=lambda: None,
            stale=lambda: None,
            secret=SECRET,
        )
    )
