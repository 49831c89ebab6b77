"""The node's own OpenAPI document."""

from __future__ import annotations

from aiohttp import web

from edge_node.api.errors import dump
from edge_node.api.openapi import build
from edge_node.api.operation import Call, Operation
from edge_node.tokens import Scope


async def get_document(call: Call) -> web.Response:
    """The document, made from the tables that the router is made from."""
    content = build(call.services.operations, call.node.identity.version)
    return web.Response(body=dump(content), content_type="application/json")


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/openapi.json",
        handler=get_document,
        summary="This document",
        scope=Scope.READ,
        content={"application/json": {"type": "object"}},
    ),
)
