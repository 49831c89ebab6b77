"""Batches that the bridge keeps, for cards; and their files, for people."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientError, ClientTimeout, web
from homeassistant.components.http.auth import async_sign_path
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.typing import (
    ClientSessionGenerator,
    WebSocketGenerator,
)

from custom_components.smart_beer import bridge_http, export
from custom_components.smart_beer.bridge import BRIDGE
from tests.smart_beer.brewery import eventually
from tests.smart_beer.bridge_client import BridgeClient
from tests.smart_beer.bridge_server import BridgeServer

LIST = {"batches": [{"batch_id": "B1", "kettles": []}], "more": False, "partial": []}
ONE = {"batch_id": "B001/LÄGER 7", "notes": [{"text": "Iodine"}]}
URL = "/api/smart_beer/export"
FILE = b"series,t\r\n" * 30_000


async def test_the_list_is_the_bridges_own(bridge: BridgeServer, card: BridgeClient) -> None:
    bridge.reply = json.dumps(LIST).encode()
    assert (await card.call("smart_beer/batches"))["result"] == LIST
    assert (await card.call("smart_beer/batches", start=5, end=9, kettle="mash-tun"))["success"]
    assert bridge.queries == [
        ("/v1/batches", {}),
        ("/v1/batches", {"start": ["5"], "end": ["9"], "kettle": ["mash-tun"]}),
    ]


async def test_a_batch_is_asked_for_by_its_name_whatever_is_in_it(
    bridge: BridgeServer, card: BridgeClient
) -> None:
    bridge.reply = json.dumps(ONE).encode()
    for name in ("B001/LÄGER 7", "50%?a=b#c", "%2F", "../status"):
        assert (await card.call("smart_beer/batch", batch=name))["result"] == ONE
        assert bridge.queries.pop() == (f"/v1/batches/{name}", {})


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        ("batches", {"start": -1}),
        ("batches", {"end": "x"}),
        ("batches", {"kettle": ""}),
        ("batches", {"secret": "x"}),
        ("batch", {}),
        ("batch", {"batch": ""}),
        ("batch", {"batch": "B1\n"}),
        ("batch", {"batch": "x" * 256}),
    ],
)
async def test_questions_that_make_no_sense_do_not_reach_the_bridge(
    bridge: BridgeServer, card: BridgeClient, command: str, fields: dict[str, Any]
) -> None:
    reply = await card.call(f"smart_beer/{command}", **fields)
    assert reply["error"]["code"] == "invalid_format"
    assert bridge.queries == []


def gone() -> web.Response:
    """What the bridge says of a batch that it does not have."""
    error = {"code": "no_such_batch", "message": "There is no batch 'B9' here"}
    return web.json_response({"error": error}, status=404)


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (gone(), "no_such_batch", "There is no batch 'B9' here."),
        (web.Response(status=404), "bridge_unavailable", "404"),
        (web.Response(status=503), "bridge_unavailable", "503"),
        (b"[]", "bridge_unavailable", "no object"),
        (
            web.json_response({"error": {"message": "Too long"}}, status=400),
            "invalid_format",
            "refuses: Too long.",
        ),
    ],
)
async def test_a_bridge_that_does_not_answer_is_told_in_words(
    bridge: BridgeServer, card: BridgeClient, reply: Any, code: str, words: str
) -> None:
    bridge.reply = reply
    error = (await card.call("smart_beer/batch", batch="B9"))["error"]
    assert error["code"] == code
    assert words in error["message"]


@pytest.mark.parametrize("reply", [b"{}", b'{"batches": [1]}', b'{"batches": [{"kettles": 1}]}'])
async def test_a_list_that_is_none_is_not_passed_on(
    bridge: BridgeServer, card: BridgeClient, reply: bytes
) -> None:
    bridge.reply = reply
    error = (await card.call("smart_beer/batches"))["error"]
    assert error["code"] == "bridge_unavailable"
    assert "not as they should be" in error["message"]


async def test_without_a_bridge_there_are_no_batches(
    hass: HomeAssistant, bridge: BridgeServer, card: BridgeClient
) -> None:
    hass.data[BRIDGE] = None
    for command, fields in (("batches", {}), ("batch", {"batch": "B1"})):
        error = (await card.call(f"smart_beer/{command}", **fields))["error"]
        assert error["code"] == "bridge_unavailable"
        assert "No storage bridge is connected" in error["message"]


async def test_who_may_not_read_everything_sees_no_batch(
    hass: HomeAssistant,
    bridge: BridgeServer,
    hass_ws_client: WebSocketGenerator,
    hass_client: ClientSessionGenerator,
    nobody_access_token: str,
) -> None:
    client = BridgeClient(await hass_ws_client(hass, nobody_access_token))
    for command, fields in (("batches", {}), ("batch", {"batch": "B1"})):
        reply = await client.call(f"smart_beer/{command}", **fields)
        assert reply["error"]["code"] == "unauthorized"
    http = await hass_client(nobody_access_token)
    assert (await http.get(URL, params={"batch": "B1"})).status == 401
    assert bridge.queries == []


@pytest.mark.parametrize(
    ("asked", "file_format", "content_type"),
    [
        ({}, "csv", "text/csv"),
        ({"format": "csv"}, "csv", "text/csv"),
        ({"format": "parquet"}, "parquet", "application/vnd.apache.parquet"),
    ],
)
async def test_a_file_of_a_batch_is_the_bridges_to_the_byte(
    bridge: BridgeServer,
    hass_client: ClientSessionGenerator,
    asked: dict[str, str],
    file_format: str,
    content_type: str,
) -> None:
    bridge.reply = web.Response(body=FILE)
    client = await hass_client()
    response = await client.get(URL, params={"batch": "B001/LÄGER 7", **asked})
    assert response.status == 200
    assert response.content_type == content_type
    assert response.headers["Content-Disposition"] == (
        f"attachment; filename*=UTF-8''B001%2FL%C3%84GER%207.{file_format}"
    )
    assert await response.read() == FILE
    assert bridge.queries == [("/v1/batches/B001/LÄGER 7/export", {"format": [file_format]})]


async def test_a_file_can_be_downloaded_through_a_signed_address(
    hass: HomeAssistant,
    bridge: BridgeServer,
    hass_client_no_auth: ClientSessionGenerator,
    hass_read_only_access_token: str,
) -> None:
    bridge.reply = web.Response(body=FILE)
    refresh_token = hass.auth.async_validate_access_token(hass_read_only_access_token)
    assert refresh_token is not None
    signed = async_sign_path(
        hass,
        f"{URL}?batch=B001%2FL%C3%84GER%207&format=parquet",
        timedelta(minutes=1),
        refresh_token_id=refresh_token.id,
    )
    client = await hass_client_no_auth()
    response = await client.get(signed)
    assert response.status == 200
    assert await response.read() == FILE
    assert bridge.queries[0][0] == "/v1/batches/B001/LÄGER 7/export"
    assert (await client.get(signed.replace("B001", "B002"))).status == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch": ""},
        {"batch": "B1", "format": "xlsx"},
        {"batch": "B1", "series": "mash-a/t"},
        {"batch": "B1", "start": "0"},
        {"series": "mash-a/t", "start": "0", "end": "9", "format": "parquet"},
    ],
)
async def test_a_file_that_makes_no_sense_is_refused_with_a_reason(
    bridge: BridgeServer, hass_client: ClientSessionGenerator, wrong: dict[str, str]
) -> None:
    client = await hass_client()
    response = await client.get(URL, params=wrong)
    assert response.status == 400
    assert (await response.json())["message"]
    assert bridge.queries == []


@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [
        (gone(), 404, "no_such_batch"),
        (web.Response(status=500), 503, "bridge_unavailable"),
        (
            web.json_response({"error": {"message": "Parquet needs pyarrow"}}, status=400),
            400,
            "invalid_format",
        ),
    ],
)
async def test_a_file_that_cannot_begin_says_why(
    bridge: BridgeServer, hass_client: ClientSessionGenerator, reply: Any, status: int, code: str
) -> None:
    bridge.reply = reply
    client = await hass_client()
    response = await client.get(URL, params={"batch": "B9"})
    assert response.status == status
    told = await response.json()
    assert told["code"] == code
    assert told["message"]


async def test_a_file_that_the_bridge_cuts_does_not_pass_as_whole(
    bridge: BridgeServer, hass_client: ClientSessionGenerator, caplog: pytest.LogCaptureFixture
) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"series,t\r\n")
        await begun.wait()
        assert request.transport is not None
        request.transport.abort()
        return response

    begun = asyncio.Event()
    bridge.reply = cut
    client = await hass_client()
    response = await client.get(URL, params={"batch": "B1"})
    assert response.status == 200
    begun.set()
    with pytest.raises(ClientError):
        await response.read()
    assert "An export was cut off: The storage bridge cannot be reached" in caplog.text


async def test_a_file_that_stands_still_is_cut(
    bridge: BridgeServer,
    hass_client: ClientSessionGenerator,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def stall(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"series,t\r\n")
        await over.wait()
        return response

    over = asyncio.Event()
    bridge.reply = stall
    monkeypatch.setattr(bridge_http, "FILE_TIMEOUT", ClientTimeout(total=None, sock_read=1))
    client = await hass_client()
    response = await client.get(URL, params={"batch": "B1"})
    assert response.status == 200
    with pytest.raises(ClientError):
        await response.read()
    over.set()
    assert "did not answer within 1 s" in caplog.text


async def test_a_reader_that_takes_nothing_is_given_up(
    bridge: BridgeServer,
    hass_client: ClientSessionGenerator,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def pour(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(FILE)
        except ConnectionError:
            over.set()
        return response

    over = asyncio.Event()
    bridge.reply = pour
    monkeypatch.setattr(export, "READER_S", 0.5)
    client = await hass_client()
    response = await client.get(URL, params={"batch": "B1"})
    assert response.status == 200
    await eventually(over.is_set, "the bridge is let go")
    assert "An export was cut off: its reader took next to nothing for 0.5 s" in caplog.text
    with pytest.raises(ClientError):
        await response.read()
