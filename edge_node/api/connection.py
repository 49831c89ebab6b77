"""One client's connection, cut when it dawdles.

aiohttp alone waits for ever for a header that never ends and for a reader that never reads.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from aiohttp import web

from edge_node.api.errors import ApiError, error_reply

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from edge_node.api.limits import Limits
    from edge_node.api.meter import Meter
    from edge_node.node import Node

LOGGER = logging.getLogger(__name__)


class Connection(web.RequestHandler):
    """aiohttp's protocol with our timers and our error replies.

    `trusted`: a right token has come over it. `active`: a request is being answered.
    """

    def __init__(
        self,
        server: web.Server,
        *,
        loop: asyncio.AbstractEventLoop,
        node: Node,
        limits: Limits,
        meter: Meter,
        closed: Callable[[Connection], None],
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=limits.keepalive_s,
            lingering_time=limits.body_s,  # how long an unwanted body is read before the cut
            auto_decompress=False,  # nobody needs compressed requests, and some of them explode
            access_log=None,  # type: ignore[arg-type] # aiohttp's own way to say "none"
        )
        self.trusted = False
        self.active = False
        self._clock = loop
        self._node = node
        self._limits = limits
        self._meter = meter
        self._closed = closed
        self._header_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        self.last_used = loop.time()

    @property
    def idle(self) -> bool:
        """Whether it is kept alive and nobody is using it."""
        return not self.active and self._header_timer is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give a new client its time for the first header."""
        super().connection_made(transport)
        self._await_header()

    def data_received(self, data: bytes) -> None:
        """Give a client that starts a request its time to end the header."""
        if data and not self.active and self._header_timer is None:
            self._await_header()
        super().data_received(data)

    def request_started(self) -> None:
        """A header is complete: its request is being answered."""
        self.active = True
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def request_ended(self) -> None:
        """The answer is on its way."""
        self.active = False
        self.last_used = self._clock.time()

    def pause_writing(self) -> None:
        """Give a reader whose send buffer is full its time to read."""
        super().pause_writing()
        self._stall_timer = self._clock.call_later(
            self._limits.stalled_s, self.abort, "slow_reader"
        )

    def resume_writing(self) -> None:
        """The reader has read."""
        super().resume_writing()
        self._stop_stall_timer()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop all timers and tell the register."""
        if self._header_timer is not None:
            self._header_timer.cancel()
        self._stop_stall_timer()
        super().connection_lost(exc)
        self._closed(self)

    def abort(self, reason: str) -> None:
        """Cut the connection now, with nothing more sent."""
        if self.transport is not None:
            self._meter.cut[reason] += 1
            LOGGER.debug("Connection of %s cut: %s", self.peername, reason)
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what aiohttp could not parse, and what no handler caught, in our own words."""
        if status < 500:
            first_line = (message or "").strip().splitlines()
            reason = ascii(first_line[0])[:100] if first_line else "malformed"
            err = ApiError(status, "bad_request", f"the request is not HTTP: {reason}")
        else:
            LOGGER.error("A request could not be answered", exc_info=exc)
            err = internal_error()
        if request.writer.output_size > 0:
            raise ConnectionResetError("an answer is half sent; the connection is cut")
        self._meter.replies[err.status] += 1
        response = error_reply(self._node, err)
        response.force_close()
        return response

    def _await_header(self) -> None:
        self._header_timer = self._clock.call_later(
            self._limits.header_s, self.abort, "slow_header"
        )

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None


def internal_error() -> ApiError:
    """What a client learns of a fault of ours; the rest is in the log."""
    return ApiError(500, "internal", "the node failed to answer; its log says why (journalctl)")


def connection_of(request: web.BaseRequest) -> Connection | None:
    """The connection of a request; None if it came through another server than ours."""
    protocol: Any = request.protocol
    return protocol if isinstance(protocol, Connection) else None
