"""Builds the OpenAPI 3.1 document from the operations' tables. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_node.api.replies import ERROR
from edge_node.api.schema import body_schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_node.api.operation import Operation

BAD_REQUEST = (
    "`unknown_parameter`, `bad_parameter`, `unexpected_body`: `detail` says which; "
    "`bad_request`: not HTTP, or not as its header says"
)
BAD_BODY = (
    "`bad_json`, `too_deep`, `unknown_field`, `missing_field`, `bad_field`, `unknown_parameter`: "
    "`detail` says which; `bad_request`: not HTTP, or not as its header says"
)


def build(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """The document of these operations."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "smart-beer node",
            "version": version,
            "description": "Times in UTC milliseconds, temperatures in degrees Celsius, pressure "
            "in kilopascal gauge, CO2 in volumes. GET calls that do not stream take HEAD too.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Error": ERROR},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "From POST /v1/pair. Scope control includes read.",
                }
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    scope = "no token" if operation.scope is None else f"scope {operation.scope.value}"
    content: dict[str, Any] = {
        "operationId": _name(operation),
        "summary": operation.summary,
        "description": f"Needs {scope}.",
        "security": [] if operation.scope is None else [{"token": []}],
        "parameters": [
            {
                "name": parameter.name,
                "in": "path",
                "required": True,
                "description": parameter.description,
                "schema": parameter.kind.schema(),
            }
            for parameter in operation.path_parameters
        ]
        + [
            {
                "name": parameter.name,
                "in": "query",
                "required": False,
                "description": parameter.description,
                "schema": parameter.kind.schema()
                | ({} if parameter.default is None else {"default": parameter.default}),
            }
            for parameter in operation.query
        ],
        "responses": {
            str(operation.success): {
                "description": operation.summary,
                "content": {
                    media: {"schema": schema} for media, schema in operation.content.items()
                },
            }
        }
        | {str(status): _refusal(text) for status, text in sorted(_refusals(operation).items())},
    }
    if operation.fields:
        content["requestBody"] = {
            "required": not operation.body_optional,
            "content": {"application/json": {"schema": body_schema(operation.fields)}},
        }
    return content


def _name(operation: Operation) -> str:
    path = operation.path.replace("/", "_").replace("{", "").replace("}", "")
    return f"{operation.method.lower()}{path}"


def _refusals(operation: Operation) -> dict[int, str]:
    refusals = {
        400: BAD_BODY if operation.fields else BAD_REQUEST,
        429: "`too_many_requests`: wait as `Retry-After` says",
        500: "`internal`: a fault of the node, told in its log",
        **operation.refusals,
    }
    if operation.scope is not None:
        refusals[401] = "`unauthorized`: no token, or one that is not known here"
        refusals.setdefault(403, "`scope`: the token's scope is too small")
    if operation.fields:
        refusals[408] = "`slow_body`: the body did not arrive in time"
        refusals[413] = "`too_large`: the body is larger than 8192 bytes"
        refusals[415] = "`unsupported_media_type`: the body is not application/json"
        refusals.setdefault(422, "`out_of_range`: a number is too small or too large")
    return refusals


def _refusal(description: str) -> dict[str, Any]:
    refusal: dict[str, Any] = {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    if "`too_many_requests`" in description:
        refusal["headers"] = {
            "Retry-After": {
                "description": "seconds",
                "schema": {"type": "integer", "minimum": 1},
            }
        }
    return refusal
