"""Who is let in, how often, and what happens to guesses."""

from __future__ import annotations

import asyncio

import pytest

from edge_node.api.limits import Limits
from edge_node.tokens import TokenStore
from tests.edge_node.api.conftest import Serve, Served

READ_CALLS = ["/v1/node", "/v1/state", "/v1/samples", "/v1/events", "/v1/openapi.json", "/metrics"]


async def test_without_a_token_nothing_but_health_is_told(served: Served) -> None:
    for path in READ_CALLS:
        status, content, headers = await served.call("GET", path, token=None)
        assert status == 401, path
        assert content["error"]["code"] == "unauthorized"
        assert content["boot_id"] == served.node.boot_id
        assert headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/healthz", "/v1/identity"])
async def test_open_calls_need_no_token_and_look_at_none(served: Served, path: str) -> None:
    served.tick()
    for token in (None, "wrong"):
        status, _, _ = await served.call("GET", path, token=token)
        assert status == 200


async def test_a_read_token_reads_and_does_not_control(served: Served) -> None:
    await served.get("/v1/state", token=served.read)
    status, content, _ = await served.call(
        "PUT", "/v1/clock", token=served.read, json={"utc_ms": 1_800_000_000_000}
    )
    assert status == 403
    assert content["error"]["detail"] == {"needed": "control", "scope": "read"}


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "bearer  ",
        "Token x",
        "Bearer \xff",
        "x" * 4000,
    ],
)
async def test_odd_authorization_headers_are_just_wrong(served: Served, value: str) -> None:
    status, content, _ = await served.call(
        "GET", "/v1/node", token=None, headers={"Authorization": value}
    )
    assert status == 401
    assert "error" in content


async def test_guesses_are_slowed_down_and_the_right_token_never_is(served: Served) -> None:
    answers = [await served.call("GET", "/v1/node", token=f"guess{i}") for i in range(9)]
    assert [status for status, _, _ in answers] == [401] * 5 + [429] * 4
    waits = [int(headers["Retry-After"]) for _, _, headers in answers[5:]]
    assert waits == sorted(waits)
    assert waits[-1] > waits[0]
    await served.get("/v1/node")
    assert (await served.call("GET", "/v1/node", token=None))[0] == 401


async def test_requests_over_the_rate_get_429_and_another_token_does_not(serve: Serve) -> None:
    served = await serve(limits=Limits(rates={"default": (0.001, 3)}))
    for _ in range(3):
        await served.get("/v1/state")
    status, content, headers = await served.call("GET", "/v1/state")
    assert status == 429
    assert content["error"]["code"] == "too_many_requests"
    assert int(headers["Retry-After"]) >= 1
    await served.get("/v1/state", token=served.read)


@pytest.mark.parametrize("path", ["/v1/identity", "/v1/node", "/nowhere"])
async def test_calls_without_a_token_are_limited_per_address(serve: Serve, path: str) -> None:
    served = await serve(limits=Limits(rates={"default": (0.001, 3)}))
    statuses = [(await served.call("GET", path, token=None))[0] for _ in range(5)]
    assert 429 not in statuses[:3]
    assert statuses[3:] == [429, 429]
    await served.get("/v1/node")


async def test_a_revocation_beside_the_node_holds_for_the_next_request(served: Served) -> None:
    await served.get("/v1/state", token=served.read)
    assert await asyncio.to_thread(
        lambda: TokenStore(served.node.config.data_dir).revoke("test-read")
    )
    assert (await served.call("GET", "/v1/state", token=served.read))[0] == 401


async def test_the_use_of_a_token_is_shown_by_address(served: Served) -> None:
    await served.get("/v1/state", token=served.read)
    clients = (await served.get("/v1/node"))["clients"]
    reader = next(client for client in clients if client["client_id"] == "test-read")
    assert list(reader["last_used"]) == ["127.0.0.1"]
    assert not {"token", "tokens", "hash"} & reader.keys()


async def test_the_first_use_from_an_address_is_soon_on_disk(served: Served) -> None:
    await served.get("/v1/state", token=served.read)
    async with asyncio.timeout(30):
        while True:
            stored = {
                client["client_id"]: client["last_used"]
                for client in TokenStore(served.node.config.data_dir).clients()
            }
            if "127.0.0.1" in stored["test-read"]:
                break
            await asyncio.sleep(0.1)
