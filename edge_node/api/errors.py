"""What every refusal looks like, and the envelope of every JSON reply."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_node.node import Node


class ApiError(Exception):
    """A refusal: its message names the thing and what to do about it."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        detail: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.detail = dict(detail or {})
        self.headers = dict(headers or {})


def envelope(node: Node) -> dict[str, Any]:
    """What every JSON reply carries besides its content."""
    return {"boot_id": node.boot_id, "mono_ms": node.mono_ms()}


def dump(content: Mapping[str, Any]) -> bytes:
    """Compact JSON in ASCII, so that no odd character of a request can break an answer."""
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def reply(node: Node, content: Mapping[str, Any], *, status: int = 200) -> web.Response:
    """A JSON reply with the envelope."""
    return web.Response(
        status=status,
        body=dump({**content, **envelope(node)}),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def error_reply(node: Node, err: ApiError) -> web.Response:
    """The reply that says what was refused and why."""
    content = {"error": {"code": err.code, "message": err.message, "detail": err.detail}}
    response = reply(node, content, status=err.status)
    response.headers.update(err.headers)
    return response


def quoted(text: str) -> str:
    """A piece of a request as it may stand in a message: printable, quoted and short."""
    return ascii(text if len(text) <= 40 else f"{text[:40]}...")


def from_http(err: web.HTTPException) -> ApiError:
    """The same refusal as aiohttp's own, in our words."""
    match err.status:
        case 404:
            return ApiError(
                404, "not_found", "there is no such path; the calls are listed in /v1/openapi.json"
            )
        case 405:
            allowed = err.headers.get("Allow", "")
            return ApiError(
                405,
                "method_not_allowed",
                f"this path does not take that method; use {allowed}",
                detail={"allowed": [method for method in allowed.split(",") if method]},
                headers={"Allow": allowed},
            )
        case 413:
            return ApiError(413, "too_large", "the body is larger than 8192 bytes")
        case 417:
            return ApiError(417, "expectation_failed", "only `Expect: 100-continue` is understood")
        case _:
            return ApiError(
                err.status, "bad_request", f"the request cannot be understood: {err.reason}"
            )
