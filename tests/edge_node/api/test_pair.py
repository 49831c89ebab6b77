"""Pairing over the wire."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.edge_node.api.conftest import Served

WANTED = {"client_name": "Kitchen HA", "client_id": "0f" * 16, "scope": "control"}


async def pair(served: Served, code: str, **changes: Any) -> tuple[int, dict[str, Any]]:
    status, content, _ = await served.call(
        "POST", "/v1/pair", token=None, json={"code": code, **WANTED, **changes}
    )
    return status, content


async def test_the_code_of_an_open_window_becomes_a_token_once(served: Served) -> None:
    assert not (await served.get("/v1/identity", token=None))["pairing"]
    code = await asyncio.to_thread(served.pairing.open)
    assert (await served.get("/v1/identity", token=None))["pairing"]
    status, content = await pair(served, code)
    assert status == 201
    assert content["scope"] == "control"
    assert content["fingerprint"] == served.node.identity.fingerprint
    assert content["boot_id"] == served.node.boot_id
    await served.get("/v1/node", token=content["token"])
    status, content = await pair(served, code)
    assert (status, content["error"]["code"]) == (403, "pairing_closed")


async def test_without_a_window_the_message_says_how_to_open_one(served: Served) -> None:
    status, content = await pair(served, "ABCDE23456")
    assert (status, content["error"]["code"]) == (403, "pairing_closed")
    assert "smart-beer-edge pair" in content["error"]["message"]


async def test_wrong_codes_count_down_and_close_the_window(served: Served) -> None:
    code = await asyncio.to_thread(served.pairing.open)
    for left in (4, 3, 2, 1, 0):
        status, content = await pair(served, "WRONG")
        assert (status, content["error"]["code"]) == (403, "wrong_code")
        assert content["error"]["detail"] == {"left": left}
    status, content = await pair(served, code)
    assert (status, content["error"]["code"]) == (403, "pairing_closed")


async def test_pairing_again_replaces_the_token_once_the_new_one_is_used(served: Served) -> None:
    old = (await pair(served, await asyncio.to_thread(served.pairing.open)))[1]["token"]
    await served.get("/v1/state", token=old)
    new = (await pair(served, await asyncio.to_thread(served.pairing.open)))[1]["token"]
    await served.get("/v1/state", token=old)
    await served.get("/v1/state", token=new)
    assert (await served.call("GET", "/v1/state", token=old))[0] == 401


async def test_a_client_can_unpair_itself(served: Served) -> None:
    status, content, _ = await served.call("DELETE", "/v1/pair", token=served.read)
    assert (status, content["client_id"]) == (200, "test-read")
    assert (await served.call("GET", "/v1/state", token=served.read))[0] == 401
    await served.get("/v1/state")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"scope": "admin"}, "bad_field"),
        ({"client_name": ""}, "bad_field"),
        ({"client_name": "a\nb"}, "bad_field"),
        ({"client_id": "../../etc"}, "bad_field"),
        ({"client_id": 7}, "bad_field"),
        ({"admin": True}, "unknown_field"),
    ],
)
async def test_bad_fields_spend_no_try(served: Served, changes: dict[str, Any], code: str) -> None:
    right = await asyncio.to_thread(served.pairing.open)
    for _ in range(6):
        status, content = await pair(served, right, **changes)
        assert (status, content["error"]["code"]) == (400, code)
    assert (await pair(served, right))[0] == 201


async def test_many_pairing_at_once_with_one_code_make_one_client(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_node.secret_file.LOCK_TIMEOUT_S", 60)  # on any disk
    code = await asyncio.to_thread(served.pairing.open)
    answers = await asyncio.gather(*(pair(served, code, client_id=f"client{i}") for i in range(8)))
    assert sorted(status for status, _ in answers) == [201] + [403] * 7
    paired = [client["client_id"] for client in served.tokens.clients()]
    assert len([client_id for client_id in paired if client_id.startswith("client")]) == 1
