"""Questions to the storage bridge, passed on: charts and exports."""

import asyncio
import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientError, ClientTimeout, web
from homeassistant.components.http.auth import async_sign_path
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.typing import (
    ClientSessionGenerator,
)

from custom_components.smart_beer import bridge_http
from custom_components.smart_beer.bridge import BRIDGE, BridgeRegistration
from tests.smart_beer.bridge_client import BridgeClient
from tests.smart_beer.bridge_server import BridgeServer

QUESTION: dict[str, Any] = {"series": ["mash-a/t", "mash-a/p"], "start": 0, "end": 10, "points": 5}
URL = "/api/smart_beer/export"
HEADER = ["series", "t", "time", "value", "quality", "batch"]


async def test_history_is_the_bridges_own_reply(bridge: BridgeServer, card: BridgeClient) -> None:
    reply = {"start": 0, "bucket_ms": 2, "partial": [], "series": {"mash-a/t": [[0, 1.5, 2, 1.7]]}}
    bridge.reply = json.dumps(reply).encode()
    assert (await card.call("smart_beer/history", **QUESTION))["result"] == reply
    path, query = bridge.queries[0]
    assert path == "/v1/history"
    assert query == {
        "series": ["mash-a/t", "mash-a/p"],
        "start": ["0"],
        "end": ["10"],
        "points": ["5"],
    }


async def test_without_a_bridge_there_is_no_history(
    hass: HomeAssistant, bridge: BridgeServer, card: BridgeClient
) -> None:
    hass.data[BRIDGE] = None
    error = (await card.call("smart_beer/history", **QUESTION))["error"]
    assert error["code"] == "bridge_unavailable"
    assert "No storage bridge is connected" in error["message"]


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (
            web.json_response({"error": {"message": "Too wide."}}, status=400),
            "invalid_range",
            "wide",
        ),
        (web.Response(status=400), "invalid_range", "no reason"),
        (
            web.json_response({"error": {"message": "Broken"}}, status=503),
            "bridge_unavailable",
            "503",
        ),
        (web.Response(status=302, headers={"Location": "/"}), "bridge_unavailable", "302"),
        (b"{", "bridge_unavailable", "no object"),
        (b"[]", "bridge_unavailable", "no object"),
        (b" " * 2000, "bridge_unavailable", "larger than 1000 bytes"),
    ],
)
async def test_errors_of_the_bridge_are_told_apart(
    bridge: BridgeServer,
    card: BridgeClient,
    monkeypatch: pytest.MonkeyPatch,
    reply: Any,
    code: str,
    words: str,
) -> None:
    monkeypatch.setattr(bridge_http, "MAX_REPLY", 1000)
    bridge.reply = reply
    error = (await card.call("smart_beer/history", **QUESTION))["error"]
    assert error["code"] == code
    assert words in error["message"]
    assert len(bridge.queries) == 1  # a redirect is not followed with the secret


async def test_a_bridge_with_another_secret_is_unavailable(
    hass: HomeAssistant, bridge: BridgeServer, card: BridgeClient
) -> None:
    hass.data[BRIDGE] = BridgeRegistration(bridge.url, "older", "0.1.0")
    error = (await card.call("smart_beer/history", **QUESTION))["error"]
    assert error["code"] == "bridge_unavailable"
    assert bridge.unauthorized == 1


async def test_a_bridge_that_is_gone_or_hangs_is_unavailable(
    hass: HomeAssistant, bridge: BridgeServer, card: BridgeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    hass.data[BRIDGE] = BridgeRegistration("http://127.0.0.1:1", "s", "0.1.0")
    error = (await card.call("smart_beer/history", **QUESTION))["error"]
    assert error["code"] == "bridge_unavailable"
    assert "cannot be reached" in error["message"]
    hass.data[BRIDGE] = BridgeRegistration(**bridge.registration)
    monkeypatch.setattr(bridge_http, "TIMEOUT", ClientTimeout(total=0.000001))
    error = (await card.call("smart_beer/history", **QUESTION))["error"]
    assert error["code"] == "bridge_unavailable"
    assert "did not answer" in error["message"]
    monkeypatch.setattr(bridge_http, "TIMEOUT", ClientTimeout(total=30, connect=0.000001))
    error = (await card.call("smart_beer/history", **QUESTION))["error"]
    assert error["message"] == "The storage bridge cannot be reached within 1e-06 s."


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"start": 10}, "invalid_range"),
        ({"start": 11}, "invalid_range"),
        ({"start": -1}, "invalid_format"),
        ({"end": 1.5}, "invalid_format"),
        ({"points": 0}, "invalid_format"),
        ({"points": 5001}, "invalid_format"),
        ({"series": []}, "invalid_format"),
        ({"series": ["mash-a"]}, "invalid_format"),
        ({"series": ["mash-a/t\n"]}, "invalid_format"),
        ({"series": [f"n/{index}" for index in range(33)]}, "invalid_format"),
        ({"url": "http://elsewhere"}, "invalid_format"),
    ],
)
async def test_questions_that_make_no_sense_do_not_reach_the_bridge(
    bridge: BridgeServer, card: BridgeClient, wrong: dict[str, Any], code: str
) -> None:
    reply = await card.call("smart_beer/history", **QUESTION | wrong)
    assert reply["error"]["code"] == code
    assert bridge.queries == []


def query(**fields: Any) -> dict[str, Any]:
    return {"series": "mash-a/t", "start": "0", "end": "10000000", **fields}


async def test_an_export_is_every_stored_sample_in_csv(
    bridge: BridgeServer, hass_client: ClientSessionGenerator
) -> None:
    bridge.stored = {
        "mash-a/t": [[second * 1000, second / 2, "ok", None] for second in range(4500)],
        "mash-a/p": [[7, None, "bad:crc", "B001-LAGER"]],
    }
    client = await hass_client()
    response = await client.get(
        URL,
        params=[("series", "mash-a/t"), ("series", "mash-a/p"), ("start", "0"), ("end", "9999999")],
    )
    assert response.status == 200
    assert response.content_type == "text/csv"
    assert "attachment" in response.headers["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(await response.text())))
    assert rows[0] == HEADER
    assert len(rows) == 1 + 4500 + 1
    assert rows[2] == ["mash-a/t", "1000", "1970-01-01T00:00:01.000+00:00", "0.5", "ok", ""]
    assert rows[-1] == [
        "mash-a/p",
        "7",
        "1970-01-01T00:00:00.007+00:00",
        "",
        "bad:crc",
        "B001-LAGER",
    ]
    assert [int(row[1]) for row in rows[1:-1]] == [second * 1000 for second in range(4500)]
    # page by page: nothing asks for more rows than it holds at once
    assert [asked["limit"] for _path, asked in bridge.queries] == [["2000"]] * 4


async def test_an_export_of_nothing_has_its_header(
    bridge: BridgeServer, hass_client: ClientSessionGenerator
) -> None:
    client = await hass_client()
    response = await client.get(URL, params=query(format="csv"))
    assert (await response.text()).split() == [",".join(HEADER)]


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"format": "xlsx"}, 400),
        ({"start": "10000000"}, 400),
        ({"start": "x"}, 400),
        ({"start": "-1"}, 400),
        ({"series": "nonsense"}, 400),
        ({"more": "1"}, 400),
    ],
)
async def test_an_export_that_makes_no_sense_is_refused_with_a_reason(
    bridge: BridgeServer,
    hass_client: ClientSessionGenerator,
    wrong: dict[str, Any],
    status: int,
) -> None:
    client = await hass_client()
    response = await client.get(URL, params=query(**wrong))
    assert response.status == status
    assert (await response.json())["message"]
    assert bridge.queries == []


async def test_an_export_needs_a_login_and_the_right_to_read(
    bridge: BridgeServer,
    hass_client: ClientSessionGenerator,
    hass_client_no_auth: ClientSessionGenerator,
    hass_read_only_access_token: str,
    nobody_access_token: str,
) -> None:
    client = await hass_client_no_auth()
    assert (await client.get(URL, params=query())).status == 401
    for token, status in ((hass_read_only_access_token, 200), (nobody_access_token, 401)):
        client = await hass_client(token)
        assert (await client.get(URL, params=query())).status == status


async def test_an_export_can_be_downloaded_through_a_signed_address(
    hass: HomeAssistant,
    bridge: BridgeServer,
    hass_client_no_auth: ClientSessionGenerator,
    hass_read_only_access_token: str,
) -> None:
    refresh_token = hass.auth.async_validate_access_token(hass_read_only_access_token)
    assert refresh_token is not None
    signed = async_sign_path(
        hass,
        f"{URL}?series=mash-a/t&start=0&end=5",
        timedelta(minutes=1),
        refresh_token_id=refresh_token.id,
    )
    client = await hass_client_no_auth()
    assert (await client.get(signed)).status == 200


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (web.Response(status=500), 503),
        (web.json_response({"error": {"message": "No"}}, status=400), 400),
        (b'{"samples": [[1, 2]], "next": null}', 503),
        (b'{"samples": [["x", 2, "ok", null]], "next": null}', 503),
        (b"{}", 503),
        (b'{"samples": [], "next": null, "partial": [{"tier": "cold", "error": "down"}]}', 503),
    ],
)
async def test_an_export_that_cannot_begin_says_why(
    bridge: BridgeServer, hass_client: ClientSessionGenerator, reply: Any, status: int
) -> None:
    bridge.reply = reply
    client = await hass_client()
    response = await client.get(URL, params=query())
    assert response.status == status
    assert (await response.json())["message"]


async def test_an_export_that_breaks_off_does_not_pass_as_whole(
    bridge: BridgeServer, hass_client: ClientSessionGenerator, caplog: pytest.LogCaptureFixture
) -> None:
    bridge.stored = {"mash-a/t": [[t, 1.0, "ok", None] for t in range(5000)]}
    bridge.after_pages = 2
    bridge.reply = web.Response(status=500)
    client = await hass_client()
    response = await client.get(URL, params=query())
    assert response.status == 200
    with pytest.raises(ClientError):
        await response.read()
    assert "An export was cut off: The storage bridge fails (500)" in caplog.text


async def test_an_export_from_a_bridge_that_repeats_itself_ends(
    bridge: BridgeServer, hass_client: ClientSessionGenerator
) -> None:
    bridge.reply = b'{"samples": [], "next": "same"}'
    client = await hass_client()
    response = await client.get(URL, params=query())
    with pytest.raises(ClientError):
        await response.read()
    assert len(bridge.queries) == 2


async def test_a_reader_that_goes_away_ends_the_export(
    bridge: BridgeServer, hass_client: ClientSessionGenerator, caplog: pytest.LogCaptureFixture
) -> None:
    bridge.stored = {"mash-a/t": [[t, 1.0, "ok", None] for t in range(200_000)]}
    client = await hass_client()
    response = await client.get(URL, params=query())
    await response.content.read(10)
    response.close()
    asked = -1
    async with asyncio.timeout(20):
        while asked != len(bridge.queries):
            asked = len(bridge.queries)
            await asyncio.sleep(0.2)
    assert asked < 90
    assert "Error handling request" not in caplog.text


async def test_a_connection_that_breaks_while_writing_ends_the_export_quietly(
    bridge: BridgeServer,
    hass_client: ClientSessionGenerator,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def write(_response: web.StreamResponse, _data: bytes) -> None:
        raise ConnectionResetError("Cannot write to closing transport")

    client = await hass_client()
    monkeypatch.setattr(web.StreamResponse, "write", write)
    await client.get(URL, params=query())
    assert "An export was given up by its reader" in caplog.text
    assert "Error handling request" not in caplog.text
