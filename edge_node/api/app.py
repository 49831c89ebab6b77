"""The application: every operation behind the same door, and every refusal in the same words."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiohttp import web

from edge_node.api import (
    actuators,
    alarms,
    batch,
    clock,
    controllers,
    document,
    events,
    health,
    lease,
    metrics,
    node,
    pair,
    program,
    safety,
    samples,
)
from edge_node.api.auth import ANONYMOUS, Gate, remote_address
from edge_node.api.connection import connection_of, internal_error
from edge_node.api.errors import ApiError, error_reply, from_http
from edge_node.api.json_body import MAX_BYTES, parse_object
from edge_node.api.limits import Limits
from edge_node.api.meter import Meter
from edge_node.api.operation import Call, Operation, Services
from edge_node.api.schema import check_fields, check_query
from edge_node.commander import Commander

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from edge_node.node import Node
    from edge_node.pairing import PairingWindow
    from edge_node.tokens import TokenStore

    _Answerer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

LOGGER = logging.getLogger(__name__)

OPERATIONS: tuple[Operation, ...] = (
    *health.OPERATIONS,
    *pair.OPERATIONS,
    *node.OPERATIONS,
    *samples.OPERATIONS,
    *events.OPERATIONS,
    *clock.OPERATIONS,
    *lease.OPERATIONS,
    *actuators.OPERATIONS,
    *controllers.OPERATIONS,
    *batch.OPERATIONS,
    *program.OPERATIONS,
    *alarms.OPERATIONS,
    *safety.OPERATIONS,
    *metrics.OPERATIONS,
    *document.OPERATIONS,
)

SERVICES = web.AppKey("services", Services)
GATE = web.AppKey("gate", Gate)


def create_app(
    node: Node,
    tokens: TokenStore,
    pairing: PairingWindow,
    *,
    limits: Limits | None = None,
    meter: Meter | None = None,
    secure: bool = True,
) -> web.Application:
    """The API of a node; with `secure` False only what reads, without tokens, for plain HTTP."""
    services = Services(
        node=node,
        tokens=tokens,
        pairing=pairing,
        limits=limits or Limits(),
        meter=meter or Meter(),
        operations=OPERATIONS,
        actuation=node.actuation,
        leases=None if node.actuation is None else node.actuation.leases,
        commander=None if node.actuation is None else Commander(node.actuation),
    )
    # aiohttp refuses a body of exactly this size, so one byte more.
    app = web.Application(client_max_size=MAX_BYTES + 1)
    app[SERVICES] = services
    app[GATE] = Gate(tokens, services.limits, secure=secure)
    for operation in OPERATIONS:
        if secure or operation.method == "GET":
            app.router.add_route(operation.method, operation.path, _handler(app, operation))
            if operation.method == "GET" and not operation.streams:
                app.router.add_route("HEAD", operation.path, _handler(app, operation))
    app.on_shutdown.append(_end_streams)
    app.on_cleanup.append(_close)
    return app


def outermost(app: web.Application, handle: _Answerer) -> _Answerer:
    """Wrap the server's handler: whatever is raised becomes a reply with envelope and reason."""
    services = app[SERVICES]

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        connection = connection_of(request)
        if connection is not None:
            connection.request_started()
        try:
            response = await _answer(app, handle, request)
            services.meter.replies[response.status] += 1
            if not request.content.is_eof():
                response.force_close()  # an unread body would be taken for the next request
            return response
        finally:
            if connection is not None:
                connection.request_ended()

    return answer


async def _answer(
    app: web.Application, handle: _Answerer, request: web.BaseRequest
) -> web.StreamResponse:
    node = app[SERVICES].node
    try:
        try:
            return await handle(request)
        except web.HTTPException as err:
            app[GATE].limit("default", ANONYMOUS, remote_address(request))
            raise from_http(err) from err
    except ApiError as err:
        return error_reply(node, err)
    except ConnectionError:
        raise
    # The last barrier of every call: whoever asks gets an answer, and a defect in one call leaves
    # the others alone. The log has its traceback, the metrics count the replies of status 500.
    except Exception:
        LOGGER.exception("%s %s could not be answered", request.method, request.path)
        if request.writer.output_size > 0:
            raise ConnectionResetError("half a reply is sent; the connection is cut") from None
        return error_reply(node, internal_error())


def _handler(
    app: web.Application, operation: Operation
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    services, gate = app[SERVICES], app[GATE]

    async def handler(request: web.Request) -> web.StreamResponse:
        caller = gate.admit(request, operation)
        try:
            query = check_query(operation.query, list(request.query.items()))
            body = await _body(request, operation, services.limits)
        # A call for safe is heard whatever is wrong with the rest of it; the reason goes on.
        except Exception:
            if operation.if_refused is not None:
                await operation.if_refused(services)
            raise
        call = Call(request=request, services=services, caller=caller, query=query, body=body)
        if not operation.streams:
            return await operation.handler(call)
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a request is handled in a task")
        services.streams.add(task)
        try:
            return await operation.handler(call)
        finally:
            services.streams.discard(task)

    return handler


async def _body(request: web.Request, operation: Operation, limits: Limits) -> dict[str, Any]:
    empty = operation.body_optional and not request.body_exists
    if operation.fields and not empty:
        body = parse_object(await _read_body(request, limits.body_s))
        check_fields(operation.fields, body)
        return body
    if request.body_exists and not empty:
        raise ApiError(400, "unexpected_body", "this call takes no body: send none")
    return {}


async def _read_body(request: web.Request, seconds: float) -> bytes:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ApiError(415, "unsupported_media_type", "send the body without Content-Encoding")
    if request.content_type != "application/json":
        raise ApiError(
            415,
            "unsupported_media_type",
            "send the body as JSON, with the header `Content-Type: application/json`",
        )
    try:
        async with asyncio.timeout(seconds):
            return await request.read()
    except TimeoutError as err:
        raise ApiError(408, "slow_body", f"the body did not arrive within {seconds:g} s") from err
    except web.RequestPayloadError as err:
        raise ApiError(400, "bad_request", "the body does not arrive as its header says") from err


async def _close(app: web.Application) -> None:
    commander = app[SERVICES].commander
    if commander is not None:
        commander.close()


async def _end_streams(app: web.Application) -> None:
    """End what would never end by itself, so that the node stops at once."""
    for task in app[SERVICES].streams:
        task.cancel()
