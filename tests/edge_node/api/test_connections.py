"""Slow, silent, half-open and too many clients. The limits are short here, not the waits."""

from __future__ import annotations

import asyncio
import socket

import pytest

from edge_node.api.limits import Limits
from tests.edge_node.api.conftest import Serve, Served, raw_tls, until

pytestmark = pytest.mark.real_time  # a client is cut after tenths of a second

RATES = {"default": (1000.0, 1000)}


async def closed(reader: asyncio.StreamReader) -> bytes:
    """Read until the node closes the connection: what it still said."""
    async with asyncio.timeout(30):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


def get(served: Served, path: str = "/v1/identity", *, token: str | None = None) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: node"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def answered(reader: asyncio.StreamReader) -> str:
    async with asyncio.timeout(30):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
        await reader.readexactly(length)
    return head.split("\r\n")[0]


async def test_a_client_that_says_nothing_is_cut(serve: Serve) -> None:
    served = await serve(limits=Limits(rates=RATES, header_s=0.2))
    reader, writer = await raw_tls(served)
    assert await closed(reader) == b""
    assert served.server._meter.cut["slow_header"] == 1
    writer.close()


async def test_a_header_that_trickles_is_cut_however_lively(serve: Serve) -> None:
    served = await serve(limits=Limits(rates=RATES, header_s=0.3))
    reader, writer = await raw_tls(served)

    async def trickle() -> None:
        writer.write(b"GET /healthz HTTP/1.1\r\nX: ")
        while not writer.is_closing():
            writer.write(b"y")
            await asyncio.sleep(0.02)

    task = asyncio.create_task(trickle())
    assert await closed(reader) == b""
    assert served.server._meter.cut["slow_header"] == 1
    task.cancel()
    writer.close()


async def test_an_idle_kept_alive_connection_is_not_cut(serve: Serve) -> None:
    served = await serve(limits=Limits(rates=RATES, header_s=0.2))
    reader, writer = await raw_tls(served)
    for _ in range(2):
        writer.write(get(served))
        assert await answered(reader) == "HTTP/1.1 200 OK"
        await asyncio.sleep(0.6)
    assert not reader.at_eof()
    # but the second header is given no more time than the first
    writer.write(b"GET /healthz HT")
    assert await closed(reader) == b""
    writer.close()


async def test_an_idle_connection_is_let_go_some_time(serve: Serve) -> None:
    served = await serve(limits=Limits(rates=RATES, keepalive_s=0.3))
    reader, writer = await raw_tls(served)
    writer.write(get(served))
    await answered(reader)
    assert await closed(reader) == b""
    writer.close()


async def test_a_long_poll_outlives_every_timer(serve: Serve) -> None:
    served = await serve(
        limits=Limits(rates=RATES, header_s=0.2, body_s=0.2, keepalive_s=0.2, stalled_s=0.2)
    )
    page = await served.get("/v1/samples?wait=1.5")
    assert page["samples"] == []


async def test_a_body_that_does_not_come_is_told_and_cut(serve: Serve) -> None:
    served = await serve(limits=Limits(rates=RATES, body_s=0.3))
    reader, writer = await raw_tls(served)
    writer.write(
        b"POST /v1/pair HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b'Content-Length: 100\r\n\r\n{"code"'
    )
    assert (await answered(reader)).startswith("HTTP/1.1 408")
    assert await closed(reader) == b""
    writer.close()


async def test_an_unwanted_body_that_does_not_come_is_cut_too(serve: Serve) -> None:
    served = await serve(limits=Limits(rates=RATES, body_s=0.3))
    reader, writer = await raw_tls(served)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx")
    assert (await answered(reader)).startswith("HTTP/1.1 400")
    assert await closed(reader) == b""
    writer.close()


async def test_a_handshake_that_does_not_come_is_cut(serve: Serve) -> None:
    served = await serve(limits=Limits(rates=RATES, handshake_s=0.3))
    reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
    assert await closed(reader) == b""
    await until(lambda: served.server._meter.cut["handshake"] == 1)
    await until(lambda: served.server._meter.connections == 0)
    writer.close()


async def test_plain_http_on_the_tls_port_harms_nobody(served: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    await closed(reader)
    writer.close()
    await until(lambda: served.server._meter.cut["handshake"] == 1)
    await served.get("/v1/node")


async def test_a_reader_that_does_not_read_is_cut(serve: Serve) -> None:
    served = await serve(limits=Limits(rates=RATES, stalled_s=0.3))
    served.tick()
    await served.committed(2)
    _, writer = await raw_tls(served, receive_buffer=4096)
    transport = writer.transport
    assert isinstance(transport, asyncio.Transport)
    transport.pause_reading()
    for _ in range(2000):  # pipelined: more than all buffers on the way can take
        writer.write(get(served, "/v1/node", token=served.control))
    await until(lambda: served.server._meter.cut["slow_reader"] == 1)
    await until(lambda: served.server._meter.connections == 0)
    writer.close()
    await served.get("/v1/node")


async def test_strangers_cannot_take_all_places(serve: Serve) -> None:
    served = await serve(limits=Limits(rates=RATES, connections=4, handshake_s=60, header_s=60))
    silent = [await asyncio.open_connection("127.0.0.1", served.server.port) for _ in range(10)]
    await served.get("/v1/node")
    for reader, _ in silent[:6]:
        assert await closed(reader) == b""
    assert served.server._meter.connections <= 4
    assert served.server._meter.cut["displaced"] >= 6
    for _, writer in silent:
        writer.close()


async def test_paired_clients_keep_their_place_against_strangers(serve: Serve) -> None:
    served = await serve(limits=Limits(rates=RATES, connections=3))
    poll = asyncio.create_task(served.get("/v1/samples?wait=30"))
    await until(lambda: len(served.node.spool._waiters) == 1)
    strangers = [await raw_tls(served) for _ in range(8)]
    served.tick()
    async with asyncio.timeout(30):
        assert (await poll)["samples"]
    for _, writer in strangers:
        writer.close()


async def test_when_all_places_are_in_use_by_paired_clients_a_newcomer_is_refused(
    serve: Serve,
) -> None:
    served = await serve(limits=Limits(rates=RATES, connections=2))
    polls = [asyncio.create_task(served.get("/v1/samples?wait=30")) for _ in range(2)]
    await until(lambda: len(served.node.spool._waiters) == 2)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
    assert await closed(reader) == b""
    assert served.server._meter.cut["full"] == 1
    writer.close()
    served.tick()
    for poll in polls:
        assert (await poll)["samples"]


async def test_the_idle_make_room_for_the_busy(serve: Serve) -> None:
    served = await serve(limits=Limits(rates=RATES, connections=2))
    idle = [await raw_tls(served) for _ in range(2)]
    for reader, writer in idle:
        writer.write(get(served, "/v1/node", token=served.read))
        await answered(reader)
    await served.get("/v1/node")
    assert await closed(idle[0][0]) == b""
    for _, writer in idle:
        writer.close()


@pytest.mark.parametrize("linger", [False, True])
async def test_clients_that_come_and_go_leave_nothing_behind(served: Served, linger: bool) -> None:
    for _ in range(40):
        with socket.create_connection(("127.0.0.1", served.server.port)) as sock:
            if linger:  # a reset instead of a goodbye
                sock.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
                )
    cut = served.server._meter.cut
    await until(lambda: cut["handshake"] + cut["displaced"] == 40)
    await until(lambda: served.server._meter.connections == 0)
    await served.get("/v1/node")
