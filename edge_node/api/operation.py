"""An operation: one call of the API, its handler, and all that the OpenAPI document says of it.

Router, checks and document are made from the same tables, so they cannot drift apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp import web

    from edge_node.actuation import Actuation
    from edge_node.api.limits import Limits
    from edge_node.api.meter import Meter
    from edge_node.api.schema import Field, Parameter
    from edge_node.commander import Commander
    from edge_node.leases import Leases
    from edge_node.node import Node
    from edge_node.pairing import PairingWindow
    from edge_node.tokens import Caller, Scope, TokenStore


@dataclass(slots=True, kw_only=True)
class Services:
    """What handlers work with; `streams` are the running handlers that never end by themselves."""

    node: Node
    tokens: TokenStore
    pairing: PairingWindow
    limits: Limits
    meter: Meter
    operations: tuple[Operation, ...]
    streams: set[asyncio.Task[Any]] = field(default_factory=set)
    actuation: Actuation | None = None
    commander: Commander | None = None
    leases: Leases | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One checked request: its scope suffices, its query and body are as the tables say."""

    request: web.Request
    services: Services
    caller: Caller | None
    query: dict[str, Any]
    body: dict[str, Any]

    @property
    def revoked(self) -> bool:
        """Whether the caller's token has ended since the request began."""
        return self.caller is not None and not self.services.tokens.holds(self.caller.token_hash)

    @property
    def actuation(self) -> Actuation:
        """The outputs of the node."""
        if self.services.actuation is None:
            raise RuntimeError("a call that needs outputs is served without them")
        return self.services.actuation

    @property
    def commander(self) -> Commander:
        """Who carries out commands."""
        if self.services.commander is None:
            raise RuntimeError("a call that commands is served without outputs")
        return self.services.commander

    @property
    def leases(self) -> Leases:
        """The leases of the node's kettles."""
        if self.services.leases is None:
            raise RuntimeError("a call that needs leases is served without them")
        return self.services.leases

    @property
    def node(self) -> Node:
        """The node that is asked."""
        return self.services.node


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call. `content` maps media types to schemas of the successful reply.

    `if_refused` is done before a query or body that is not as the tables say is refused.
    """

    method: str
    path: str
    handler: Callable[[Call], Awaitable[web.StreamResponse]]
    summary: str
    scope: Scope | None
    content: Mapping[str, dict[str, Any]]
    success: int = 200
    path_parameters: tuple[Parameter, ...] = ()
    query: tuple[Parameter, ...] = ()
    fields: tuple[Field, ...] = ()
    body_optional: bool = False
    refusals: Mapping[int, str] = field(default_factory=dict)
    limit: str = "default"
    if_refused: Callable[[Services], Awaitable[None]] | None = None
    streams: bool = False
