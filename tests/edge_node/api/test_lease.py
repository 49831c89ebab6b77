"""Leases over HTTP: what goes in, what comes out, and in which order it is checked."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from edge_node.api import lease as lease_api
from edge_node.api.app import GATE, SERVICES, _handler, outermost
from edge_node.api.auth import Gate
from edge_node.api.limits import Limits
from edge_node.api.meter import Meter
from edge_node.api.openapi import build
from edge_node.api.operation import Services
from edge_node.lease import TTL_MS, Refused
from edge_node.lease_store import LeaseStore
from edge_node.leases import Leases
from edge_node.pairing import PairingWindow
from edge_node.tokens import Scope, TokenStore
from tests.edge_node.fake_time import FakeTime

BOOT = "boot-1"
FAST = {"default": (1000.0, 1000), "lease": (1000.0, 1000)}


@dataclass
class Node:
    """A node's lease calls on a server of their own, its clock in the test's hands."""

    client: TestClient[web.Request, web.Application]
    time: FakeTime
    leases: Leases
    tokens: dict[str, str]
    referred: list[Any] = field(default_factory=list)

    async def call(
        self, method: str, path: str, body: Any = None, *, token: str = "control"
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self.tokens[token]}"} if token else {}
        async with self.client.request(method, path, json=body, headers=headers) as response:
            return response.status, await response.json()

    def body(self, epoch: int = 1, **more: Any) -> dict[str, Any]:
        return {
            "kettle_id": "mash-tun",
            "server_id": "a",
            "session": "a1",
            "epoch": epoch,
            "echo": {"boot_id": BOOT, "mono_ms": self.time.mono},
        } | more

    async def post(self, call: str, body: dict[str, Any], **more: Any) -> tuple[int, Any]:
        return await self.call("POST", f"/v1/lease/{call}", body, **more)


async def serving(folder: Path, rates: dict[str, tuple[float, int]]) -> AsyncIterator[Node]:
    time = FakeTime()
    referred: list[Any] = []
    leases = Leases(
        node_id="n1",
        boot_id=BOOT,
        mono_ms=time.mono_ms,
        groups={"mash-tun": ("n1", "n2", "n3")},
        store=LeaseStore(folder),
        ended=lambda kettle_id: None,
        referred=lambda *what: referred.append(what),
    )
    tokens = TokenStore(folder)
    node: Any = SimpleNamespace(boot_id=BOOT, mono_ms=time.mono_ms)
    app = web.Application()
    app[SERVICES] = Services(
        node=node,
        tokens=tokens,
        pairing=PairingWindow(folder),
        limits=Limits(rates=rates),
        meter=Meter(),
        operations=lease_api.OPERATIONS,
        leases=leases,
    )
    app[GATE] = Gate(tokens, app[SERVICES].limits, secure=True)
    for operation in lease_api.OPERATIONS:
        app.router.add_route(operation.method, operation.path, _handler(app, operation))
    server = TestServer(app)
    await server.start_server()
    assert server.runner is not None
    inner = server.runner.server
    assert isinstance(inner, web.Server)
    inner.request_handler = outermost(app, inner.request_handler)
    time.run(TTL_MS)
    try:
        async with TestClient(server) as client:
            paired = {scope.value: tokens.pair(scope.value, "Test", scope) for scope in Scope}
            yield Node(client, time, leases, paired, referred)
    finally:
        leases.close()


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async for node in serving(tmp_path, FAST):
        yield node


async def test_a_lease_is_taken_renewed_seen_and_given_back(node: Node) -> None:
    status, content = await node.post("acquire", node.body(members_hash="8014492f3850f222"))
    assert status == 200, content
    assert content == {
        "granted": True,
        "kettle_id": "mash-tun",
        "node": "n1",
        "group": ["n1", "n2", "n3"],
        "promised_epoch": 1,
        "holder": "a",
        "epoch": 1,
        "expires_in_ms": TTL_MS,
        "quarantine_ms": 0,
        "override_ms": 0,
        "members_hash": "8014492f3850f222",
        "boot_id": BOOT,
        "mono_ms": node.time.mono,
    }
    node.time.run(4_000)
    reference = {"value": 66.4, "t": 1_800_000_000_000, "probes": ["n1/a", "n2/b"]}
    status, content = await node.post("renew", node.body(reference=reference))
    assert (status, content["expires_in_ms"]) == (200, TTL_MS)
    assert node.referred == [("mash-tun", reference, node.time.mono)]
    status, content = await node.call("GET", "/v1/lease?kettle_id=mash-tun", token="read")
    assert (status, content["holder"]) == (200, "a")
    body = node.body()
    del body["echo"]
    status, content = await node.post("release", body)
    assert (status, content["holder"]) == (200, None)
    status, content = await node.post("release", body)
    assert (status, content["error"]["code"]) == (409, "not_holder")


async def test_the_reference_of_a_refused_renewal_is_not_believed(node: Node) -> None:
    reference = {"value": 66.4, "t": 0, "probes": []}
    status, _ = await node.post("renew", node.body(reference=reference))
    assert status == 409
    assert node.referred == []


async def test_refusals_name_the_kettle_and_say_what_to_do(node: Node) -> None:
    await node.post("acquire", node.body())
    other: dict[str, Any] = {"server_id": "b", "session": "b1"}
    for call, body, expected in [
        ("acquire", node.body(echo={"boot_id": "x", "mono_ms": 1}), (412, "bad_echo")),
        ("acquire", node.body(**other), (409, "stale_epoch")),
        ("acquire", node.body(2**53 - 1, **other), (409, "epoch_leap")),
        ("acquire", node.body(2, **other), (409, "held")),
        ("acquire", node.body(2, members_hash="0" * 16), (409, "members_mismatch")),
        ("renew", node.body(echo={"boot_id": "x", "mono_ms": 1}), (412, "bad_echo")),
        ("renew", node.body(2), (409, "not_holder")),
    ]:
        status, content = await node.post(call, body)
        assert (status, content["error"]["code"]) == expected
        assert content["error"]["message"].startswith("kettle mash-tun: ")
        assert content["boot_id"] == BOOT


async def test_a_kettle_that_is_not_here_is_not_found(node: Node) -> None:
    status, content = await node.post("acquire", node.body(kettle_id="boil"))
    assert (status, content["error"]["code"]) == (404, "unknown_kettle")
    assert content["error"]["detail"] == {"known": ["mash-tun"]}
    status, content = await node.call("GET", "/v1/lease?kettle_id=boil")
    assert status == 404
    status, content = await node.call("GET", "/v1/lease")
    assert (status, content["error"]["code"]) == (400, "missing_parameter")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"echo": None}, (400, "bad_field")),
        ({"echo": {"boot_id": BOOT}}, (400, "bad_field")),
        ({"echo": {"boot_id": BOOT, "mono_ms": 1, "x": 1}}, (400, "bad_field")),
        ({"echo": {"boot_id": BOOT, "mono_ms": -1}}, (422, "out_of_range")),
        ({"epoch": 0}, (422, "out_of_range")),
        ({"epoch": 2**53}, (422, "out_of_range")),
        ({"epoch": 1.0}, (400, "bad_field")),
        ({"session": ""}, (400, "bad_field")),
        ({"members_hash": "xyz"}, (400, "bad_field")),
        ({"members_hash": None}, (400, "bad_field")),
        ({"more": 1}, (400, "unknown_field")),
        ({"reference": {"value": 1, "t": 1, "probes": []}}, (400, "unknown_field")),
    ],
)
async def test_what_the_contract_does_not_know_is_refused(
    node: Node, changes: dict[str, Any], expected: tuple[int, str]
) -> None:
    status, content = await node.post("acquire", node.body(**changes))
    assert (status, content["error"]["code"]) == expected
    assert node.leases.holder("mash-tun") is None


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"value": "66", "t": 1, "probes": []}, 400),
        ({"value": 1e9, "t": 1, "probes": []}, 422),
        ({"value": 66, "t": 1, "probes": "n1/a"}, 400),
        ({"value": 66, "t": 1, "probes": [1]}, 400),
        ({"value": 66, "t": 1, "probes": ["x"] * 17}, 400),
        ({"value": 66, "t": 1}, 400),
    ],
)
async def test_a_reference_that_is_none_is_refused_before_the_renewal(
    node: Node, reference: dict[str, Any], expected: int
) -> None:
    await node.post("acquire", node.body())
    node.time.run(5_000)
    status, _ = await node.post("renew", node.body(reference=reference))
    assert status == expected
    assert node.leases.status("mash-tun")["expires_in_ms"] == TTL_MS - 5_000


async def test_reading_needs_a_token_and_commanding_needs_scope_control(node: Node) -> None:
    status, _ = await node.call("GET", "/v1/lease?kettle_id=mash-tun", token="")
    assert status == 401
    for call in ("acquire", "renew", "release"):
        status, content = await node.post(call, node.body(), token="read")
        assert (status, content["error"]["code"]) == (403, "scope")


async def test_leases_have_a_bucket_of_their_own(tmp_path: Path) -> None:
    rates = {"default": (0.001, 1), "lease": (0.001, 3)}
    async for node in serving(tmp_path, rates):
        seen = [(await node.call("GET", "/v1/lease?kettle_id=mash-tun"))[0] for _ in range(4)]
        assert seen == [200, 200, 200, 429]
    assert Limits().rates["lease"] == (40.0, 40)


def test_every_refusal_of_the_rules_has_words() -> None:
    folder = Path(lease_api.__file__).parents[1]
    text = (folder / "lease.py").read_text() + (folder / "leases.py").read_text()
    codes = set(re.findall(r'Refused\(\s*\d+, "(\w+)"', text))
    assert codes == set(lease_api.MESSAGES)
    for code in codes:
        assert lease_api.as_error("k", Refused(409, code, {})).message


def test_the_document_describes_the_bodies() -> None:
    paths = build(lease_api.OPERATIONS, "1")["paths"]
    body = paths["/v1/lease/renew"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "reference" not in body["required"]
    assert body["properties"]["echo"]["required"] == ["boot_id", "mono_ms"]
    assert body["properties"]["echo"]["additionalProperties"] is False
    assert "423" in paths["/v1/lease/acquire"]["post"]["responses"]
