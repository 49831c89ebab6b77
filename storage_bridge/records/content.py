"""The content of a record as text, and a name made of it. Pure."""

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .model import Record


class Content(NamedTuple):
    """`gen` is the first 16 bytes of the SHA-256 of `body`, which is JSON with sorted names."""

    gen: bytes
    body: str


def content_of(record: Record) -> Content:
    """The same for equal records of a kind, on every bridge."""
    body = json.dumps(record.body(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return Content(_name(body), body)


def record_of[R: Record](kind: type[R], content: Content) -> R | None:
    """The record again; None when the body is not what its name was made of."""
    if _name(content.body) != content.gen:
        return None
    return kind.of(json.loads(content.body))


def _name(body: str) -> bytes:
    return hashlib.sha256(body.encode()).digest()[:16]
