"""Samples by cursor, as single answers and as a stream."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from edge_node.api.limits import Limits
from edge_node.hardware import Acquisition
from edge_node.sampler import Sampler
from tests.edge_node.api.conftest import Serve, Served, until


async def test_every_committed_sample_comes_once_and_in_order(served: Served) -> None:
    for second in range(20):
        served.tick(20.0 + second)
        await served.committed(2 * second + 2)
    after, seen = 0, []
    while True:
        page = await served.get(f"/v1/samples?after={after}&limit=7")
        if not page["samples"]:
            break
        assert len(page["samples"]) <= 7
        assert page["next"] == page["samples"][-1][0]
        seen += [(row[0], row[1], page["series"][row[2]], row[3]) for row in page["samples"]]
        after = page["next"]
    assert [row[0] for row in seen] == list(range(1, 41))
    assert len({(row[1], row[2]) for row in seen}) == 40
    assert {row[2] for row in seen} == {"mash-a/mash_temp", "mash-a/room"}


async def test_the_answer_has_its_bounds_and_the_envelope(served: Served) -> None:
    served.tick(None, "bad:crc")
    await served.committed(2)
    page = await served.get("/v1/samples")
    assert page["first_seq"] == 1
    assert page["last_seq"] == 2
    assert page["holes"] == []
    assert page["spool_id"] == served.node.spool.spool_id
    assert page["boot_id"] == served.node.boot_id
    assert page["mono_ms"] > 0
    assert "gap" not in page
    assert page["samples"][0][3:] == [None, "bad:crc", None]


async def test_a_poll_in_vain_answers_with_the_same_cursor(served: Served) -> None:
    page = await served.get("/v1/samples?wait=0.05")
    assert (page["next"], page["samples"]) == (0, [])


async def test_a_waiting_poll_answers_with_the_commit(served: Served) -> None:
    served.tick()
    await served.committed(2)
    poll = asyncio.create_task(served.get("/v1/samples?after=2&wait=30"))
    await asyncio.sleep(0.2)
    assert not poll.done()
    served.tick()
    async with asyncio.timeout(15):  # half of the wait: the commit woke it, not its end
        page = await poll
    assert [row[0] for row in page["samples"]] == [3, 4]


@pytest.mark.parametrize("query", ["after=1", "after=9223372036854775807", "spool=another"])
async def test_a_cursor_of_another_spool_is_told_so(served: Served, query: str) -> None:
    status, content, _ = await served.call("GET", f"/v1/samples?{query}&wait=30")
    assert status == 409
    assert content["error"]["code"] == "other_spool"
    assert content["error"]["detail"]["spool_id"] == served.node.spool.spool_id
    assert content["boot_id"] == served.node.boot_id


async def test_the_right_spool_is_no_other(served: Served) -> None:
    page = await served.get(f"/v1/samples?spool={served.node.spool.spool_id}")
    assert page["samples"] == []


BAD_QUERIES = [
    "after=-1",
    "after=9223372036854775808",
    "after=1.5",
    "after=",
    "limit=0",
    "limit=10001",
    "wait=-0.1",
    "wait=30.1",
    "wait=NaN",
    "wait=inf",
    "stream=2",
    "stream=1&wait=0",
    "spool=",
    "spool=%00",
    "since=1",
    "after=0&after=0",
]


async def test_parameters_are_refused_and_never_clamped(served: Served) -> None:
    for query in BAD_QUERIES:
        status, content, _ = await served.call("GET", f"/v1/samples?{query}")
        assert status == 400, query
        assert content["error"]["code"] in {"bad_parameter", "unknown_parameter"}


async def test_what_was_dropped_is_a_gap(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        served.tick()
    await served.committed(10)
    # A spool drops its oldest samples only by the megabyte: what it then says of itself is set.
    monkeypatch.setattr(type(served.node.spool), "first_seq", property(lambda _: 5))
    page = await served.get("/v1/samples?after=1")
    assert page["gap"] == {"from": 2, "to": 4}
    assert "gap" not in await served.get("/v1/samples?after=4")


def lines_of(served: Served, query: str) -> aiohttp.client._RequestContextManager:
    pin = aiohttp.Fingerprint(bytes.fromhex(served.node.identity.fingerprint))
    return served.session.get(
        f"{served.url}/v1/samples?stream=1{query}",
        headers={"Authorization": f"Bearer {served.read}"},
        ssl=pin,
    )


async def next_line(response: aiohttp.ClientResponse) -> dict[str, Any]:
    async with asyncio.timeout(30):
        raw = await response.content.readline()
    assert raw.endswith(b"\n")
    content = json.loads(raw)
    assert isinstance(content, dict)
    return content


async def test_a_stream_is_one_answer_a_line_with_the_cursor_moved_on(served: Served) -> None:
    for _ in range(3):
        served.tick()
    await served.committed(6)
    async with lines_of(served, "&limit=4") as response:
        assert response.status == 200
        assert response.content_type == "application/x-ndjson"
        first, second = await next_line(response), await next_line(response)
        assert [row[0] for row in first["samples"]] == [1, 2, 3, 4]
        assert [row[0] for row in second["samples"]] == [5, 6]
        assert first.keys() == (await served.get("/v1/samples")).keys()
        served.tick()
        third = await next_line(response)
        while len(third["samples"]) < 2:
            third["samples"] += (await next_line(response))["samples"]
        assert [row[0] for row in third["samples"]] == [7, 8]


async def test_a_stream_says_that_it_lives_when_nothing_comes(served: Served) -> None:
    async with lines_of(served, "&wait=1") as response:
        for _ in range(2):
            line = await next_line(response)
            assert (line["samples"], line["next"]) == ([], 0)


async def test_a_stream_ends_by_itself_and_the_connection_lives_on(serve: Serve) -> None:
    served = await serve(limits=Limits(stream_s=0.3))
    async with lines_of(served, "&wait=1") as response:
        async with asyncio.timeout(30):
            assert len((await response.content.read()).splitlines()) >= 1
    await served.get("/v1/node")


async def test_a_stream_ends_at_once_when_the_spool_is_another(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.tick()
    await served.committed(2)
    async with lines_of(served, "&wait=1") as response:
        await next_line(response)
        monkeypatch.setattr(type(served.node.spool), "spool_id", property(lambda _: "new"))
        async with asyncio.timeout(30):
            assert await response.content.read() == b""


async def test_streams_and_waits_end_when_the_node_stops(served: Served) -> None:
    async with lines_of(served, "&wait=30") as response:
        poll = asyncio.create_task(served.get("/v1/samples?wait=30"))
        await until(lambda: served.server._meter.connections == 2)
        async with asyncio.timeout(15):
            await served.server.stop()
            with pytest.raises(aiohttp.ClientError):
                await poll
            with pytest.raises(aiohttp.ClientError):
                await response.content.read()


async def test_a_revoked_client_gets_nothing_more_of_what_it_waits_for(served: Served) -> None:
    poll = asyncio.create_task(served.call("GET", "/v1/samples?wait=30", token=served.read))
    async with lines_of(served, "&wait=30") as response:
        await until(lambda: len(served.node.spool._waiters) == 2)
        assert await asyncio.to_thread(served.tokens.revoke, "test-read")
        served.tick()
        async with asyncio.timeout(30):
            assert (await poll)[0] == 401
            assert await response.content.read() == b""


async def test_a_client_that_goes_leaves_no_waiter_behind(served: Served) -> None:
    poll = asyncio.create_task(served.get("/v1/samples?wait=30"))
    await until(lambda: len(served.node.spool._waiters) == 1)
    poll.cancel()
    await until(lambda: not served.node.spool._waiters)


async def test_samples_of_the_running_sampler_reach_a_waiting_client(served: Served) -> None:
    hardware = Acquisition(served.node.config)
    sampler = Sampler(
        "mash-a",
        served.node.clock,
        hardware,
        observe=served.node.observe_clock,
        deliver=served.node.deliver,
    )
    await hardware.start()
    task = asyncio.create_task(sampler.run())
    try:
        page = await served.get("/v1/samples?wait=30")
        assert {page["series"][row[2]] for row in page["samples"]} <= {
            "mash-a/mash_temp",
            "mash-a/room",
        }
        assert page["samples"]
        assert page["samples"][0][1] % 1000 == 0
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await hardware.close()
