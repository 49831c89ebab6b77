"""The source against a server that speaks Home Assistant's part of the protocol."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from storage_bridge.backoff import Backoff
from storage_bridge.outbox import Outbox
from storage_bridge.outbox_batch import parse_message
from storage_bridge.source import REFUSED, Source

from .fake_home_assistant import PER_CONNECTION, TOKEN, FakeHomeAssistant, FakeNode
from .waiting import until

if TYPE_CHECKING:
    from .conftest import OpenOutbox

QUICK = Backoff(base=0.01, cap=0.05)
REGISTER = {"url": "http://127.0.0.1:1", "secret": "s", "version": "1"}


@asynccontextmanager
async def _running(ha: FakeHomeAssistant, outbox: Outbox, **options: Any) -> AsyncIterator[Source]:
    token = options.pop("token", lambda: TOKEN)
    source = Source(
        outbox, url=ha.url, token=token, register=REGISTER,
        **{"reconnect": QUICK, "refused": QUICK, **options},
    )  # fmt: skip
    task = asyncio.create_task(source.run())
    try:
        yield source
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _more_than(ha: FakeHomeAssistant, counter: str, n: int) -> bool:
    return bool(getattr(ha, counter) > n)


async def _stored(outbox: Outbox) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    while (pending := await outbox.read("warm")) is not None:
        for message in pending.messages():
            found += [(s.series, s.t) for s in parse_message(message).samples]
        outbox.advance("warm", pending.row_id)
    return found


async def test_everything_the_nodes_hold_is_committed_and_acknowledged(
    open_outbox: OpenOutbox,
) -> None:
    nodes = [FakeNode(f"n{n}", 4321 + n) for n in range(6)]
    outbox = open_outbox()
    async with FakeHomeAssistant(*nodes) as ha, _running(ha, outbox) as source:
        await until(ha.acked_all, "all acknowledged")
        ha.grow("n3", 77)
        await until(ha.acked_all, "new ones too")
        assert ha.most_in_flight <= PER_CONNECTION
        assert ha.registered[0]["secret"] == "s"
        assert source.connected
        assert source.problem is None
    stored = await _stored(outbox)
    assert len(stored) == len(set(stored))
    assert set(stored) == set().union(*(node.keys() for node in nodes))


async def test_it_goes_on_where_it_was_after_every_kind_of_interruption(
    open_outbox: OpenOutbox,
) -> None:
    node = FakeNode("n", 20_000)
    outbox = open_outbox()
    async with FakeHomeAssistant(node, batch=250) as ha, _running(ha, outbox) as source:
        for _ in range(4):
            ha.drop_after = 9
            await until(partial(_more_than, ha, "logins", ha.logins), "connected again")
        await until(ha.acked_all, "all acknowledged")
        await ha.stop()
        node.last += 500
        await until(lambda: not source.connected, "it notices")
        await ha.start()
        await until(ha.acked_all, "the rest arrives")
    assert len(ha.cursors) >= 5
    assert all(cursor["n"][1] > 0 for cursor in ha.cursors[1:])
    stored = await _stored(outbox)
    assert set(stored) == node.keys()
    assert len(stored) == len(set(stored)), "nothing is kept twice"


async def test_repeated_and_overlapping_events_change_nothing(open_outbox: OpenOutbox) -> None:
    node = FakeNode("n", 3000)
    outbox = open_outbox()

    def twice(whole: dict[str, Any]) -> list[bytes]:
        return [orjson.dumps(whole)] * 2

    async with FakeHomeAssistant(node, batch=100) as ha:
        ha.mangle = twice
        async with _running(ha, outbox):
            await until(ha.acked_all, "all acknowledged")
            await until(
                lambda: outbox.snapshot.counters.get("duplicate_batches") == 30, "all came twice"
            )
    stored = await _stored(outbox)
    assert len(stored) == 3000
    assert set(stored) == node.keys()


async def test_malformed_messages_stop_nothing_and_are_not_acknowledged(
    open_outbox: OpenOutbox, caplog: pytest.LogCaptureFixture
) -> None:
    good, evil = FakeNode("good", 2000), FakeNode("evil", 300)
    outbox = open_outbox()

    def mangle(whole: dict[str, Any]) -> list[bytes]:
        if whole["event"]["node_id"] != "evil":
            return [b"{not json", b"[]", b'"x"', b'{"type":"surprise"}', orjson.dumps(whole)]
        return [orjson.dumps({**whole, "event": {**whole["event"], "samples": "none"}})]

    async with FakeHomeAssistant(good, evil, batch=100) as ha:
        ha.mangle = mangle
        async with _running(ha, outbox) as source:
            await until(lambda: ha.acked.get(("good", "s1")) == 2000, "the good node is served")
            await until(lambda: source.counts["malformed"] >= 83, "all are counted")
            assert ("evil", "s1") not in ha.acked
            assert source.connected
            ha.mangle = None
            ha.drop()
            await until(ha.acked_all, "once understood, nothing is missing")
    assert set(await _stored(outbox)) == good.keys() | evil.keys()
    assert "not understood" in caplog.text


async def test_one_bad_record_is_set_aside_and_its_batch_is_taken(open_outbox: OpenOutbox) -> None:
    node = FakeNode("n", 200)
    outbox = open_outbox()

    def poison(whole: dict[str, Any]) -> list[bytes]:
        whole["event"]["samples"][7][3] = "hot"
        return [orjson.dumps(whole)]

    async with FakeHomeAssistant(node, batch=100) as ha:
        ha.mangle = poison
        async with _running(ha, outbox):
            await until(ha.acked_all, "all acknowledged")
    assert outbox.snapshot.counters["dead_letters"] == 2
    assert len(await _stored(outbox)) == 198
    assert await outbox.resume() == {"n": ("s1", 200)}


async def test_a_gap_a_hole_and_a_new_spool_are_followed(open_outbox: OpenOutbox) -> None:
    node = FakeNode("n", 3000)
    node.first = 501
    node.holes = [[700, 799]]
    outbox = open_outbox()
    async with FakeHomeAssistant(node) as ha, _running(ha, outbox):
        await until(ha.acked_all, "all acknowledged")
        node.spool, node.first, node.last, node.holes = "s2", 1, 40, []
        ha.poke()
        await until(ha.acked_all, "the new spool too")
    old, new = (await outbox.ledger())["n"]
    assert old["gaps"] == [(1, 500)]
    assert old["holes"] == [(700, 799)]
    assert old["resume"] == 3000
    assert (new["spool_id"], new["newest"], new["resume"]) == ("s2", True, 40)


async def test_a_refused_token_is_an_alarm_until_a_good_one_is_there(
    open_outbox: OpenOutbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = ["wrong-token"]
    async with (
        FakeHomeAssistant(FakeNode("n", 10)) as ha,
        _running(ha, open_outbox(), token=lambda: token[0]) as source,
    ):
        await until(lambda: source.alarm is not None, "alarm")
        assert "refuses the bridge's token" in str(source.alarm)
        await until(lambda: ha.logins > 2, "it tries on")
        token[0] = TOKEN
        await until(ha.acked_all, "it works with the new token")
        assert source.alarm is None
    assert "wrong-token" not in caplog.text
    assert TOKEN not in caplog.text


async def test_a_refused_token_is_retried_slowly() -> None:
    assert min(REFUSED.wait(n) for n in range(50)) >= 30


async def test_a_missing_integration_is_waited_for_and_named(open_outbox: OpenOutbox) -> None:
    async with FakeHomeAssistant(FakeNode("n", 10)) as ha:
        ha.loaded = False
        async with _running(ha, open_outbox()) as source:
            await until(lambda: source.counts["failures"] > 1, "it tries on")
            assert "integration is not loaded" in str(source.problem)
            ha.loaded = True
            await until(ha.acked_all, "it works once loaded")


async def test_a_missing_token_file_is_a_problem_not_a_crash(open_outbox: OpenOutbox) -> None:
    def missing() -> str:
        raise FileNotFoundError(2, "No such file or directory", "/x/token")

    async with (
        FakeHomeAssistant() as ha,
        _running(ha, open_outbox(), token=missing) as source,
    ):
        await until(lambda: "/x/token" in str(source.problem), "the sentence names the file")


async def test_a_half_open_connection_is_noticed_and_replaced(open_outbox: OpenOutbox) -> None:
    node = FakeNode("n", 10)
    async with FakeHomeAssistant(node) as ha:
        ha.deaf = True
        async with _running(ha, open_outbox(), heartbeat=0.4):
            await until(ha.acked_all, "subscribed")
            await until(lambda: ha.logins > 1, "pings without an answer end the connection")


async def test_only_a_node_that_has_caught_up_counts_as_live(open_outbox: OpenOutbox) -> None:
    node = FakeNode("n", 1000, channels=1)
    outbox = open_outbox()
    clock = [1_790_000_600.0]  # its newest sample is 400 s ahead of the middle
    async with (
        FakeHomeAssistant(node, batch=100) as ha,
        _running(ha, outbox, now=lambda: clock[0]),
    ):
        await until(ha.acked_all, "all acknowledged")
    live = [n for n in range(100, 1001, 100) if 1_790_000_000 + n > clock[0] - 2]
    await until(lambda: outbox.status()["latency_ms"]["n"] == len(live), "those are counted")
