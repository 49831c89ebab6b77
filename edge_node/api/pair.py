"""Becoming a client of the node, and ceasing to be one."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from edge_node.api.errors import ApiError, reply
from edge_node.api.operation import Call, Operation
from edge_node.api.replies import HEX64, SCOPE, TEXT, json_reply
from edge_node.api.schema import Field, Text
from edge_node.pairing import MAX_WRONG, NoWindowError, WrongCodeError
from edge_node.secret_file import SecretFileError
from edge_node.tokens import Scope, TooManyClientsError

if TYPE_CHECKING:
    from aiohttp import web

LOGGER = logging.getLogger(__name__)


async def post_pair(call: Call) -> web.Response:
    """Exchange the code of an open window for a token, which is seen here only."""
    node, body = call.node, call.body
    scope = Scope(body["scope"])
    try:
        await asyncio.to_thread(call.services.pairing.use, body["code"], body["client_name"])
        token = await asyncio.to_thread(
            call.services.tokens.pair, body["client_id"], body["client_name"], scope
        )
    except NoWindowError as err:
        raise ApiError(
            403,
            "pairing_closed",
            f"no pairing window is open on node {node.identity.node_id}: run "
            "`smart-beer-edge pair` there and use the new code",
        ) from err
    except WrongCodeError as err:
        LOGGER.warning("A client gave a wrong pairing code; %d tries left", err.left)
        raise ApiError(
            403,
            "wrong_code",
            f"the code is wrong; {err.left} of {MAX_WRONG} tries are left, then the window closes",
            detail={"left": err.left},
        ) from err
    except TooManyClientsError as err:
        raise ApiError(409, "too_many_clients", str(err)) from err
    except SecretFileError as err:
        raise _not_stored(err) from err
    LOGGER.info(
        "Paired with %s (%s), scope %s", body["client_name"], body["client_id"], scope.value
    )
    content = {"token": token, "scope": scope.value, "fingerprint": node.identity.fingerprint}
    return reply(node, content, status=201)


async def delete_pair(call: Call) -> web.Response:
    """Revoke the token that makes this call."""
    caller = call.caller
    if caller is None:
        raise RuntimeError("this operation has a scope, so it has a caller")
    try:
        await asyncio.to_thread(call.services.tokens.revoke_token, caller.token_hash)
    except SecretFileError as err:
        raise _not_stored(err) from err
    LOGGER.info("Client %s (%s) has unpaired itself", caller.name, caller.client_id)
    return reply(call.node, {"client_id": caller.client_id})


def _not_stored(err: SecretFileError) -> ApiError:
    LOGGER.error("%s", err)
    return ApiError(
        503, "not_stored", "the node cannot write its list of clients; its log says why"
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/pair",
        handler=post_pair,
        summary="Become a client, with the code of an open pairing window",
        scope=None,
        success=201,
        fields=(
            Field(
                name="code",
                kind=Text(max_length=32, pattern="[0-9A-Za-z]{1,32}"),
                description="the one-time code, the last part of the pairing line",
            ),
            Field(name="client_name", kind=Text(), description="for people"),
            Field(
                name="client_id",
                kind=Text(pattern="[0-9A-Za-z_.-]{1,64}"),
                description="the client's own; pairing it again replaces its token",
            ),
            Field(name="scope", kind=Text(choices=("read", "control")), description="wanted"),
        ),
        content=json_reply(token=TEXT, scope=SCOPE, fingerprint=HEX64),
        refusals={
            403: "`pairing_closed`: no window is open; `wrong_code`: `detail.left` tries are left",
            409: "`too_many_clients`",
            503: "`not_stored`: the node cannot write its list of clients",
        },
    ),
    Operation(
        method="DELETE",
        path="/v1/pair",
        handler=delete_pair,
        summary="Revoke the token that makes this call",
        scope=Scope.READ,
        content=json_reply(client_id=TEXT),
        refusals={503: "`not_stored`: the node cannot write its list of clients"},
    ),
)
