"""The bridge's HTTP API: stored samples, charts, status."""

import hmac
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from storage_bridge.batches import NoSuchBatchError
from storage_bridge.tiers.base import TierError

from . import batches, handlers
from .context import CONTEXT, Context, json_reply
from .query import BadQueryError

__all__ = ["Context", "create_app"]

LOGGER = logging.getLogger(__name__)

# Counts only, for a supervisor and a Prometheus, which cannot know a secret made at each start.
OPEN_PATHS: Final = frozenset({"/healthz", "/metrics"})
MAX_LINE: Final = 65_536  # bytes of a request line: 64 series names of any script

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def create_app(context: Context) -> web.Application:
    """The application; every path but OPEN_PATHS asks for `Authorization: Bearer <secret>`."""
    app = web.Application(
        middlewares=[_errors, _authorization], handler_args={"max_line_size": MAX_LINE}
    )
    app[CONTEXT] = context
    app.add_routes(
        [
            web.get("/v1/series", handlers.series),
            web.get("/v1/samples", handlers.samples),
            web.get("/v1/history", handlers.history),
            web.get("/v1/live", handlers.live),
            web.get("/v1/batches", batches.listed),
            web.get("/v1/batches/{id}", batches.one),
            web.get("/v1/batches/{id}/export", batches.export),
            web.post("/v1/batches/{id}/notes", batches.note),
            web.get("/v1/status", handlers.status),
            web.get("/healthz", handlers.healthz),
            web.get("/metrics", handlers.metrics),
        ]
    )
    return app


def _error(status: int, code: str, message: str, **headers: str) -> web.Response:
    reply = json_reply({"error": {"code": code, "message": message}}, status)
    reply.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return reply


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure as a sentence in JSON."""
    try:
        return await handler(request)
    except BadQueryError as err:
        return _error(400, "bad_request", str(err))
    except TierError as err:
        return _error(503, "tier_unavailable", str(err))
    except NoSuchBatchError as err:
        return _error(404, "no_such_batch", str(err))
    except web.HTTPMethodNotAllowed as err:
        allowed = ", ".join(sorted(err.allowed_methods))
        return _error(405, "method_not_allowed", f"Answered here: {allowed}", Allow=allowed)
    except web.HTTPNotFound:
        return _error(404, "not_found", "There is nothing at this path")
    except web.HTTPException as err:
        return _error(err.status, "refused", err.reason)
    # The last barrier of every request: a defect in one leaves the others alone, and is in the log.
    except Exception:
        LOGGER.exception("A request to %s failed", request.path)
        return _error(500, "internal", "The bridge failed to answer; its log says why")


@web.middleware
async def _authorization(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path in OPEN_PATHS:
        return await handler(request)
    expected = f"Bearer {request.app[CONTEXT].secret}".encode()
    given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
    if not hmac.compare_digest(given, expected):
        return _error(
            401,
            "unauthorized",
            "The bridge's secret is missing or wrong",
            WWW_Authenticate="Bearer",
        )
    return await handler(request)
