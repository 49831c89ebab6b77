"""What a server and a node say to each other about a kettle's lease, and what names a leadership.

Epochs are `counter * 2**20 + residue`, the residue taken from a hash of server id and session. Two
servers, also two with one copied id, thus meet in one epoch only if 20 bits collide; nothing rests
on that, for nodes compare epoch, server id and session together. It makes them unlikely to meet.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

RESIDUES: Final = 2**20
MAX_EPOCH: Final = 2**53 - 1  # what every JSON reader keeps exact
OVERRIDE: Final = "override"  # the holder a node names while the person at the kettle has it


def members_hash(group: Iterable[str]) -> str:
    """What a kettle's nodes must agree on: 16 hex digits over the sorted ids of its group."""
    return hashlib.sha256(",".join(sorted(group)).encode()).hexdigest()[:16]


def residue(server_id: str, session: str) -> int:
    """The part of an epoch that tells one start of one server from all others; 0 to 2**20 - 1."""
    digest = hashlib.sha256(f"{server_id}/{session}".encode()).digest()
    return int.from_bytes(digest[:4]) % RESIDUES


class Ask(StrEnum):
    """What a server can ask a node about a lease."""

    STATUS = "status"
    ACQUIRE = "acquire"
    RENEW = "renew"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Stamp:
    """A node's stamp, and when this server sent the request that brought it, and got it."""

    boot_id: str
    mono_ms: int
    sent: int
    received: int


@dataclass(frozen=True, slots=True)
class Request:
    """One request to one node; hand it back with the reply."""

    node_id: str
    ask: Ask
    sent: int
    epoch: int = 0
    echo: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a node answered; what a refusal leaves out is None."""

    status: int
    boot_id: str
    mono_ms: int
    holder: str | None = None
    epoch: int | None = None
    promised_epoch: int | None = None
    expires_in_ms: int | None = None
    quarantine_ms: int | None = None
    override_ms: int | None = None
    members_hash: str | None = None

    @classmethod
    def of(cls, status: int, content: dict[str, Any]) -> Reply:
        """From the wire: the lease of a 200, or what a refusal's `detail` says of it.

        Raises LookupError or TypeError if it is no reply of a node.
        """
        known = content if status == 200 else content["error"]["detail"]
        return cls(
            status,
            content["boot_id"],
            content["mono_ms"],
            holder=known.get("holder"),
            epoch=known.get("epoch"),
            promised_epoch=known.get("promised_epoch"),
            expires_in_ms=known.get("expires_in_ms"),
            quarantine_ms=known.get("quarantine_ms", known.get("retry_ms")),
            override_ms=known.get("override_ms"),
            members_hash=known.get("members_hash"),
        )


@dataclass(frozen=True, slots=True)
class Command:
    """What the leader adds to a command, so that a node can tell whether to obey it."""

    server_id: str
    session: str
    epoch: int
    boot_id: str
    seq: int
    not_after_ms: int
