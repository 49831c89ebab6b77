"""Telling a node the time."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.edge_node.api.conftest import Serve, Served


async def test_an_unknown_clock_is_set_once(serve: Serve) -> None:
    served = await serve(clock="kernel")
    assert (await served.get("/v1/node"))["clock"]["known"] is False
    now = {"utc_ms": time.time_ns() // 1_000_000}
    status, content, _ = await served.call("PUT", "/v1/clock", json=now)
    assert status == 200
    assert content["clock"]["known"] is True
    assert content["clock"]["source"] == "client"
    status, content, _ = await served.call("PUT", "/v1/clock", json=now)
    assert (status, content["error"]["code"]) == (409, "clock_known")
    assert content["error"]["detail"]["clock"]["known"] is True


@pytest.mark.parametrize("utc_ms", [-1, 0, 1, 2**53 - 1, 2**53, 10**30])
async def test_times_nobody_can_believe_are_refused(serve: Serve, utc_ms: int) -> None:
    served = await serve(clock="kernel")
    status, content, _ = await served.call("PUT", "/v1/clock", json={"utc_ms": utc_ms})
    assert (status, content["error"]["code"]) == (422, "out_of_range")
    assert (await served.get("/v1/node"))["clock"]["known"] is False


@pytest.mark.parametrize("body", [{}, {"utc_ms": "now"}, {"utc_ms": None}, {"utc_ms": 1.5}])
async def test_what_is_no_time_is_refused(served: Served, body: dict[str, Any]) -> None:
    status, content, _ = await served.call("PUT", "/v1/clock", json=body)
    assert status == 400
    assert content["error"]["detail"] == {"field": "utc_ms"}
