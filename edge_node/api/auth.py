"""Who calls, whether often enough already, and whether they may."""

from __future__ import annotations

import asyncio
import ipaddress
import math
from typing import TYPE_CHECKING

from edge_node.api.connection import connection_of
from edge_node.api.errors import ApiError
from edge_node.api.limits import RATES, Limits, TokenBuckets, WrongTokens

if TYPE_CHECKING:
    from aiohttp import web

    from edge_node.api.operation import Operation
    from edge_node.tokens import Caller, TokenStore

ANONYMOUS = ""


class Gate:
    """Lets requests in; `secure` False is the plain port, which takes no tokens at all."""

    def __init__(self, tokens: TokenStore, limits: Limits, *, secure: bool) -> None:
        self._tokens = tokens
        self._secure = secure
        self._buckets = {
            name: TokenBuckets(rate, burst)
            for name, (rate, burst) in {**RATES, **limits.rates}.items()
        }
        self._wrong = WrongTokens()

    def admit(self, request: web.Request, operation: Operation) -> Caller | None:
        """Return the caller, None where none is needed.

        Raises ApiError 401 without a right token, 403 if its scope is too small, 429 if it is used
        too often.
        """
        address = remote_address(request)
        given = request.headers.getall("Authorization", [])
        if given and not self._secure:
            raise ApiError(
                400,
                "token_in_clear",
                "this port is plain HTTP and everyone on the network has seen that token: revoke "
                "it with `smart-beer-edge clients revoke`, and use HTTPS",
            )
        if operation.scope is None or not self._secure:
            self.limit(operation.limit, ANONYMOUS, address)
            return None
        if not given:
            self.limit(operation.limit, ANONYMOUS, address)
            raise _unauthorized("this call needs a token: send `Authorization: Bearer <token>`")
        scheme, _, token = given[0].partition(" ")
        caller = None
        if len(given) == 1 and scheme.lower() == "bearer":
            caller = self._tokens.authenticate(token.strip(), address)
        if caller is None:
            wait = self._wrong.refuse(address, asyncio.get_running_loop().time())
            if wait:
                raise _too_many("too many wrong tokens came from this address", wait)
            raise unknown_token()
        connection = connection_of(request)
        if connection is not None:
            connection.trusted = True
        self.limit(operation.limit, caller.token_hash, address)
        if not caller.scope.includes(operation.scope):
            raise ApiError(
                403,
                "scope",
                f"this call needs scope {operation.scope.value}, and the token has "
                f"{caller.scope.value}: pair again with scope {operation.scope.value}",
                detail={"needed": operation.scope.value, "scope": caller.scope.value},
            )
        return caller

    def limit(self, name: str, who: str, address: str) -> None:
        """Take one request from the bucket of this class; ApiError 429 if it is empty."""
        wait = self._buckets[name].take((who, address), asyncio.get_running_loop().time())
        if wait:
            raise _too_many("too many requests came from this client", wait)


def remote_address(request: web.BaseRequest) -> str:
    """The client's address; an IPv4 address is written as such also on an IPv6 socket."""
    text = (request.remote or "").partition("%")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def unknown_token() -> ApiError:
    """The refusal of a token that is wrong, or no longer right."""
    return _unauthorized("this token is not known here (any more): pair again")


def _unauthorized(message: str) -> ApiError:
    return ApiError(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})


def _too_many(message: str, wait: float) -> ApiError:
    seconds = max(1, math.ceil(wait))
    return ApiError(
        429,
        "too_many_requests",
        f"{message}: wait {seconds} s",
        detail={"retry_after_s": seconds},
        headers={"Retry-After": str(seconds)},
    )
