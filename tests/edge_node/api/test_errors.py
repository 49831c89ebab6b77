"""Malformed and hostile requests: a 4xx with a reason, never a stack trace."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.edge_node.api.conftest import Served, raw_tls


def assert_refusal(served: Served, content: dict[str, Any]) -> None:
    assert content.keys() == {"error", "boot_id", "mono_ms"}
    assert content["error"].keys() == {"code", "message", "detail"}
    assert content["boot_id"] == served.node.boot_id
    assert "Traceback" not in json.dumps(content)


UNKNOWN = [
    *("/", "/v1", "/v1/", "/v1/nodes", "/v1/node/", "//v1/node", "/v1/../v1/node/x", "/v1/%00"),
    *("/v1/leases", "/v1/%ff%fe", "/favicon.ico"),
]


async def test_unknown_paths_are_404_in_our_words(served: Served) -> None:
    for path in UNKNOWN:
        status, content, _ = await served.call("GET", path)
        assert (status, content["error"]["code"]) == (404, "not_found"), path
        assert_refusal(served, content)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/node", {"GET", "HEAD"}),
        ("DELETE", "/healthz", {"GET", "HEAD"}),
        ("OPTIONS", "/v1/state", {"GET", "HEAD"}),
        ("OPTIONS", "/v1/pair", {"POST", "DELETE"}),
        ("GET", "/v1/pair", {"POST", "DELETE"}),
        ("GET", "/v1/clock", {"PUT"}),
        ("TRACE", "/v1/clock", {"PUT"}),
    ],
)
async def test_another_method_is_405_and_told_which(
    served: Served, method: str, path: str, allowed: set[str]
) -> None:
    status, content, headers = await served.call(method, path)
    assert (status, content["error"]["code"]) == (405, "method_not_allowed")
    assert set(headers["Allow"].split(",")) == allowed
    assert set(content["error"]["detail"]["allowed"]) == allowed
    assert_refusal(served, content)


@pytest.mark.parametrize("path", ["/healthz", "/v1/identity", "/v1/node", "/v1/state"])
async def test_head_is_get_without_the_body(served: Served, path: str) -> None:
    pin = served.session.request(
        "HEAD",
        served.url + path,
        headers={"Authorization": f"Bearer {served.read}"},
        ssl=False,
    )
    async with pin as response:
        assert response.status == 200
        assert response.content_type == "application/json"
        assert await response.read() == b""


@pytest.mark.parametrize(
    "path", ["/healthz", "/v1/identity", "/v1/node", "/v1/state", "/v1/events", "/metrics"]
)
async def test_unknown_parameters_are_refused_everywhere(served: Served, path: str) -> None:
    status, content, _ = await served.call("GET", f"{path}?verbose=1")
    assert (status, content["error"]["code"]) == (400, "unknown_parameter")
    assert "verbose" in content["error"]["message"]
    assert_refusal(served, content)


BAD_BODIES = [
    (b"", 400, "bad_json"),
    (b"{", 400, "bad_json"),
    (b"[]", 400, "bad_json"),
    (b'{"utc_ms": NaN}', 400, "bad_json"),
    (b'{"utc_ms": 1e999}', 400, "bad_json"),
    (b'{"utc_ms": 1, "utc_ms": 1}', 400, "bad_json"),
    (b'{"utc_ms": "\xff"}', 400, "bad_json"),
    (b'{"utc_ms": [[[[[]]]]]}', 400, "too_deep"),
    (b'{"utc_ms": ' + b"[" * 8000, 400, "too_deep"),
    (b'{"utc\\ud800": 1}', 400, "unknown_field"),
    (b'{"utc_ms": 1, "tz": "CET"}', 400, "unknown_field"),
    (b"{}", 400, "missing_field"),
    (b'{"a": "' + b"x" * 8192 + b'"}', 413, "too_large"),
    (b"{" + b" " * 200_000 + b"}", 413, "too_large"),
]


async def test_bad_bodies_are_refused(served: Served) -> None:
    for body, status, code in BAD_BODIES:
        got, content, _ = await served.call(
            "PUT", "/v1/clock", data=body, headers={"Content-Type": "application/json"}
        )
        assert (got, content["error"]["code"]) == (status, code), body[:60]
        assert_refusal(served, content)


async def test_a_body_of_exactly_eight_kib_is_read(served: Served) -> None:
    body = b'{"utc_ms": "' + b"x" * (8192 - 14) + b'"}'
    assert len(body) == 8192
    status, content, _ = await served.call(
        "PUT", "/v1/clock", data=body, headers={"Content-Type": "application/json"}
    )
    assert (status, content["error"]["code"]) == (400, "bad_field")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_only_plain_json_is_a_body(served: Served, headers: dict[str, str]) -> None:
    status, content, _ = await served.call(
        "PUT", "/v1/clock", data=b'{"utc_ms": 1}', headers=headers
    )
    assert (status, content["error"]["code"]) == (415, "unsupported_media_type")
    assert_refusal(served, content)


async def test_a_body_where_none_belongs_is_refused(served: Served) -> None:
    for method, path in (("GET", "/v1/state"), ("DELETE", "/v1/pair")):
        status, content, _ = await served.call(method, path, json={"really": True})
        assert (status, content["error"]["code"]) == (400, "unexpected_body")
    await served.get("/v1/state")


async def test_a_fault_of_ours_is_a_500_without_a_trace(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> dict[str, Any]:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(served.node, "state", broken)
    status, content, _ = await served.call("GET", "/v1/state")
    assert (status, content["error"]["code"]) == (500, "internal")
    assert_refusal(served, content)
    assert "secret inside" not in json.dumps(content)
    assert "secret inside" in caplog.text
    await served.get("/v1/node")


async def answer_to(served: Served, request: bytes) -> tuple[int, dict[str, Any]]:
    """What the node answers to raw bytes, until it closes."""
    reader, writer = await raw_tls(served)
    writer.write(request)
    try:
        async with asyncio.timeout(30):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
            body = await reader.readexactly(length)
    finally:
        writer.close()
    return int(head.split()[1]), json.loads(body)


NOT_HTTP = [
    b"hello\r\n\r\n",
    b"\x00\x01\x02\x03\r\n\r\n",
    b"BREW /v1/clock HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /healthz HTTP/9.9\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
    b"GET /" + b"y" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PUT /v1/clock HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
]


async def test_what_is_not_http_is_a_400_in_our_words(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    for request in NOT_HTTP:
        status, content = await answer_to(served, request)
        assert (status, content["error"]["code"]) == (400, "bad_request"), request[:60]
        assert_refusal(served, content)
    assert "Traceback" not in caplog.text


async def test_an_expectation_nobody_understands_is_refused(served: Served) -> None:
    for path in (b"/healthz", b"/nowhere"):
        status, content = await answer_to(
            served, b"GET " + path + b" HTTP/1.1\r\nHost: a\r\nExpect: beer\r\n\r\n"
        )
        assert (status, content["error"]["code"]) == (417, "expectation_failed")
        assert_refusal(served, content)
