"""Strict JSON: no duplicate keys, no NaN, no deep nesting. Pure."""

from __future__ import annotations

import json
import math
from typing import Any

from edge_node.api.errors import ApiError, quoted

MAX_DEPTH = 4
MAX_BYTES = 8 * 1024


def parse_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in a request's body.

    Raises ApiError 400: `bad_json` (not UTF-8, not JSON, not an object, a key twice, a number that
    is none), `too_deep` (more than MAX_DEPTH levels).
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as err:
        raise _bad(f"the body is not UTF-8 (byte {err.start})") from err
    if depth(text) > MAX_DEPTH:
        raise ApiError(400, "too_deep", f"the body is nested deeper than {MAX_DEPTH} levels")
    try:
        content = json.loads(
            text,
            object_pairs_hook=_object,
            parse_float=_float,
            parse_int=_int,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as err:
        raise _bad(f"the body is not JSON: {err.msg} at character {err.pos}") from err
    if not isinstance(content, dict):
        raise _bad("the body is not a JSON object")
    return content


def depth(text: str) -> int:
    """How deep a JSON text nests arrays and objects, at most; brackets in strings do not count."""
    deepest = level = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            level += 1
            deepest = max(deepest, level)
        elif character in "]}":
            level -= 1
    return deepest


def _bad(message: str) -> ApiError:
    return ApiError(400, "bad_json", message)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise _bad(f"the key {quoted(key)} stands twice in one object")
        content[key] = value
    return content


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _bad(f"the number {quoted(text)} is too large")
    return value


def _int(text: str) -> int:
    if len(text) > 40:
        raise _bad(f"the number {quoted(text)} is too large")
    return int(text)


def _constant(text: str) -> float:
    raise _bad(f"{text} is not JSON")
