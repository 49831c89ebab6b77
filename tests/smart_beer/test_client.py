"""The client against a real server on TLS."""

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from custom_components.smart_beer import node_http
from custom_components.smart_beer.client import SmartBeerClient
from custom_components.smart_beer.exceptions import (
    FingerprintMismatchError,
    NodeAuthError,
    NodeConnectionError,
    NodeResponseError,
    NodeTimeoutError,
    OtherSpoolError,
    SmartBeerError,
    StreamUnsupportedError,
    UnsupportedApiError,
)
from tests.smart_beer.brewery import eventually
from tests.smart_beer.edge_stub import TOKEN, EdgeStub, own_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


@pytest.fixture
async def make(stub: EdgeStub) -> AsyncIterator[Callable[..., SmartBeerClient]]:
    async with own_session() as session:

        def build(**changes: Any) -> SmartBeerClient:
            options: dict[str, Any] = {
                "host": stub.host,
                "port": stub.port,
                "fingerprint": stub.fingerprint,
                "token": TOKEN,
                "request_timeout": 20,
                **changes,
            }
            return SmartBeerClient(session, **options)

        yield build


@pytest.fixture
def client(make: Callable[..., SmartBeerClient]) -> SmartBeerClient:
    return make()


async def test_identity_node_and_state_are_read(client: SmartBeerClient, stub: EdgeStub) -> None:
    assert (await client.identity()).fingerprint == stub.fingerprint
    assert (await client.node()).node_id == "mash-a"
    assert (await client.state()).health.cpu_temperature == 48.3


async def test_samples_are_paged_by_cursor(client: SmartBeerClient, stub: EdgeStub) -> None:
    for value in (65.0, None, 65.2):
        stub.sample(value)
    first = await client.samples(after=0, spool_id="spool1", limit=2)
    assert [row[0] for row in first.samples] == [1, 2]
    second = await client.samples(after=first.next, spool_id="spool1")
    assert [row[3] for row in second.samples] == [65.2]
    assert second.after == 2


async def test_a_poll_waits_for_a_sample(client: SmartBeerClient, stub: EdgeStub) -> None:
    poll = asyncio.create_task(client.samples(after=0, wait=20))
    await eventually(lambda: stub.paths("/v1/samples"), "the poll has come")
    stub.sample(65.0)
    assert len((await poll).samples) == 1


async def test_a_cursor_of_another_spool_names_the_nodes_own(
    client: SmartBeerClient, stub: EdgeStub
) -> None:
    with pytest.raises(OtherSpoolError) as caught:
        await client.samples(after=5, spool_id="old")
    assert caught.value.spool_id == "spool1"
    with pytest.raises(OtherSpoolError):
        await anext(client.stream(after=5, spool_id="old"))


async def test_a_stream_yields_page_after_page_and_moves_its_cursor(
    client: SmartBeerClient, stub: EdgeStub
) -> None:
    stub.stream_pages = 2
    stub.sample(65.0)
    pages = []
    async for page in client.stream(after=0, spool_id="spool1", wait=20):
        pages.append(page)
        stub.sample(66.0)
    assert [page.samples[0][3] for page in pages] == [65.0, 66.0]
    assert [page.after for page in pages] == [0, 1]


@pytest.mark.parametrize("reason", ["refused", "other type"])
async def test_a_node_without_streams_is_told_from_one_that_fails(
    client: SmartBeerClient, stub: EdgeStub, reason: str
) -> None:
    if reason == "refused":
        stub.streams = False
    else:
        stub.stream_type = "application/json"
    with pytest.raises(StreamUnsupportedError):
        await anext(client.stream(after=0, spool_id=None))


async def test_another_certificate_gets_no_request_and_no_token(
    make: Callable[..., SmartBeerClient], stub: EdgeStub
) -> None:
    with pytest.raises(FingerprintMismatchError):
        await make(fingerprint="0" * 64).node()
    assert stub.requests == []


async def test_an_unknown_token_is_an_auth_error(
    make: Callable[..., SmartBeerClient], stub: EdgeStub
) -> None:
    for call in (make(token="x").node(), make(token=None).unpair()):
        with pytest.raises(NodeAuthError):
            await call
    with pytest.raises(NodeAuthError):
        await anext(make(token="x").stream(after=0, spool_id=None))


@pytest.mark.parametrize(("api", "too_new"), [(2, True), (0, False), (None, False), ("1", False)])
async def test_an_api_version_of_another_time_is_refused(
    client: SmartBeerClient, stub: EdgeStub, api: Any, too_new: bool
) -> None:
    stub.api = api
    with pytest.raises(UnsupportedApiError) as caught:
        await client.node()
    assert caught.value.too_new is too_new


async def test_nobody_there_is_a_connection_error(make: Callable[..., SmartBeerClient]) -> None:
    with pytest.raises(NodeConnectionError):
        await make(port=1).identity()


async def test_a_host_that_is_none_is_a_connection_error(
    make: Callable[..., SmartBeerClient],
) -> None:
    with pytest.raises(NodeConnectionError):
        await make(host="a b").identity()


async def test_no_answer_in_time_is_a_timeout(
    make: Callable[..., SmartBeerClient], stub: EdgeStub
) -> None:
    stub.hang.add("/v1/node")
    with pytest.raises(NodeTimeoutError):
        await make(request_timeout=0.2).node()
    stub.hang.add("/v1/samples")
    with pytest.raises(NodeTimeoutError):
        await anext(make(request_timeout=0.2).stream(after=0, spool_id=None, wait=0.1))


async def test_a_stream_that_falls_silent_is_a_timeout(
    make: Callable[..., SmartBeerClient], stub: EdgeStub
) -> None:
    stub.sample(65.0)
    # The stub sends an empty page only when its own wait is over, which is when news comes.
    stream = make(request_timeout=1).stream(after=0, spool_id=None, wait=0.1)
    assert len((await anext(stream)).samples) == 1
    stub.silent = True

    async def drain() -> None:
        async for page in stream:
            assert page.samples == []

    with pytest.raises(NodeTimeoutError):
        await drain()


def raw(body: bytes, **options: Any) -> web.Response:
    return web.Response(body=body, **{"content_type": "application/json", **options})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b"{}",
        b'{"node_id": NaN}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 5000,
    ],
)
async def test_garbage_is_a_response_error(
    client: SmartBeerClient, stub: EdgeStub, body: bytes
) -> None:
    for path in ("/v1/identity", "/v1/state", "/v1/samples"):
        stub.answers[path] = raw(body)
    calls: list[Callable[[], Awaitable[Any]]] = [client.identity, client.state, client.samples]
    for call in calls:
        with pytest.raises(NodeResponseError) as caught:
            await call()
        assert caught.value.code == "malformed"


async def test_a_huge_answer_is_cut_off(
    client: SmartBeerClient, stub: EdgeStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_http, "MAX_REPLY", 1000)
    stub.answers["/v1/state"] = raw(b" " * 5000)
    with pytest.raises(NodeResponseError, match="more than 1000 bytes"):
        await client.state()
    stub.answers["/v1/samples"] = raw(b" " * 5000, content_type="application/x-ndjson")
    with pytest.raises(NodeResponseError, match="line of more than 1000 bytes"):
        await anext(client.stream(after=0, spool_id=None))


async def test_a_stream_cut_in_the_middle_of_a_line_yields_the_whole_ones_only(
    client: SmartBeerClient, stub: EdgeStub
) -> None:
    line = b'{"spool_id":"s","first_seq":1,"last_seq":0,"next":0,"holes":[],"series":[],'
    line += b'"batches":[],"samples":[],"boot_id":"b","mono_ms":1}'
    stub.answers["/v1/samples"] = raw(
        line + b"\n\n" + line[:20], content_type="application/x-ndjson"
    )
    assert len([page async for page in client.stream(after=0, spool_id=None)]) == 1


async def test_an_error_carries_the_nodes_code_and_sentence(
    client: SmartBeerClient, stub: EdgeStub
) -> None:
    stub.answers["/v1/state"] = stub.refuse(503, "sampler", part="w1")
    with pytest.raises(NodeResponseError, match="no: sampler") as caught:
        await client.state()
    error = caught.value
    assert (error.status, error.code, error.detail) == (503, "sampler", {"part": "w1"})


@pytest.mark.parametrize("body", [b"busy", b'{"error": "busy"}', b'{"error": {"detail": 7}}'])
async def test_an_error_without_a_reason_is_still_an_error(
    client: SmartBeerClient, stub: EdgeStub, body: bytes
) -> None:
    kind = "text/plain" if body == b"busy" else "application/json"
    stub.answers["/v1/state"] = raw(body, status=502, content_type=kind)
    with pytest.raises(NodeResponseError) as caught:
        await client.state()
    assert (caught.value.status, caught.value.code) == (502, "unknown")


async def test_a_redirect_is_not_followed(client: SmartBeerClient, stub: EdgeStub) -> None:
    stub.answers["/v1/state"] = web.Response(status=302, headers={"Location": "/v1/node"})
    with pytest.raises(NodeResponseError):
        await client.state()
    assert stub.paths("/v1/node") == []


async def test_the_clock_is_told_and_the_token_given_back(
    client: SmartBeerClient, stub: EdgeStub
) -> None:
    stub.clock["known"] = False
    await client.set_clock(1_800_000_000_000)
    assert stub.clock_set == [1_800_000_000_000]
    with pytest.raises(NodeResponseError, match="clock_known"):
        await client.set_clock(1)
    await client.unpair()
    assert stub.tokens == set()


async def test_a_pairing_answer_without_a_token_is_malformed(
    client: SmartBeerClient, stub: EdgeStub
) -> None:
    stub.answers["/v1/pair"] = raw(b"{}", status=201)
    with pytest.raises(NodeResponseError, match="no token"):
        await client.redeem(code="c", client_name="n", client_id="i", scope="control")


async def test_requests_share_one_connection(client: SmartBeerClient, stub: EdgeStub) -> None:
    await client.identity()
    await client.identity()
    pool = client._session.connector
    assert pool is not None
    assert len(pool._conns) == 1


async def test_no_error_ever_shows_the_token(
    make: Callable[..., SmartBeerClient], stub: EdgeStub
) -> None:
    secret = make(token="geheim-geheim")
    stub.answers["/v1/state"] = raw(b"?", status=500)
    for call in (secret.node, secret.state):
        with pytest.raises(SmartBeerError) as caught:
            await call()
        assert "geheim" not in f"{caught.value!r} {caught.value.__cause__!r}"


async def test_a_refused_lease_is_an_answer_and_no_token_is_none(
    client: SmartBeerClient, stub: EdgeStub
) -> None:
    held = stub.refuse(409, "held", holder="server-b")
    stub.answers["/v1/lease/acquire"] = held
    reply = await client.lease("acquire", "mash-tun", {"epoch": 1}, limit=20)
    assert (reply["status"], reply["error"]["detail"]["holder"]) == (409, "server-b")
    assert reply["boot_id"] == stub.boot_id
    stub.hang.add("/v1/lease")
    with pytest.raises(NodeTimeoutError):
        await client.lease("status", "mash-tun", None, limit=0.05)
    stub.hang.clear()
    stub.tokens.clear()
    with pytest.raises(NodeAuthError):
        await client.lease("status", "mash-tun", None, limit=20)


async def test_a_fresh_command_takes_no_connection_that_was_kept(
    client: SmartBeerClient, stub: EdgeStub
) -> None:
    stub.answers["/v1/actuators/pump"] = stub.refuse(200, "none")
    for _ in range(3):
        await client.command("PUT", "/v1/actuators/pump", {}, limit=20)
    assert len(stub.ports) == 1
    await client.command("PUT", "/v1/actuators/pump", {}, limit=20, fresh=True)
    stub.answers["/v1/safe"] = stub.refuse(200, "none")
    await client.safe("mash-tun", limit=20)
    assert len(stub.ports) == 3
    await client.command("PUT", "/v1/actuators/pump", {}, limit=20)
    assert len(stub.ports) == 3
