"""JSON schemas of what the node answers, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
TEXT_OR_NULL: dict[str, Any] = {"type": ["string", "null"]}
WHOLE: dict[str, Any] = {"type": "integer", "minimum": 0}
ANY_INTEGER: dict[str, Any] = {"type": "integer"}
NUMBER_OR_NULL: dict[str, Any] = {"type": ["number", "null"]}
FLAG: dict[str, Any] = {"type": "boolean"}
HEX64: dict[str, Any] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
SCOPE: dict[str, Any] = {"type": "string", "enum": ["read", "control"]}


def array(items: dict[str, Any]) -> dict[str, Any]:
    """A list of such items."""
    return {"type": "array", "items": items}


def record(**properties: dict[str, Any]) -> dict[str, Any]:
    """An object in which all of these stand; more may, in the answers of a newer node."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": True,
    }


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The same object, with nothing else in it."""
    return {**schema, "additionalProperties": False}


def mapping(values: dict[str, Any]) -> dict[str, Any]:
    """An object with any keys and such values."""
    return {"type": "object", "additionalProperties": values}


def optional(schema: dict[str, Any], **properties: dict[str, Any]) -> dict[str, Any]:
    """The same object, in which these may stand as well."""
    return {**schema, "properties": {**schema["properties"], **properties}}


ENVELOPE: dict[str, dict[str, Any]] = {"boot_id": TEXT, "mono_ms": WHOLE}
RANGE = {
    "type": "object",
    "properties": {"from": WHOLE, "to": WHOLE},
    "required": ["from", "to"],
    "additionalProperties": False,
}
ERROR = record(
    error=closed(record(code=TEXT, message=TEXT, detail={"type": "object"})),
    **ENVELOPE,
)


def json_reply(**properties: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The content of a JSON reply with the envelope."""
    return {"application/json": record(**properties, **ENVELOPE)}
