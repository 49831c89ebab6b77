"""Reading older samples from nodes, gently."""

import asyncio
import time

import pytest

from custom_components.smart_beer import spool_reader
from custom_components.smart_beer.exceptions import (
    NodeConnectionError,
    NodeResponseError,
    OtherSpoolError,
)
from custom_components.smart_beer.models import SamplesPage
from custom_components.smart_beer.spool_reader import CONCURRENT, SpoolReader
from tests.smart_beer.spool import Spool, serving


async def test_reads_page_after_page_of_a_real_node(socket_enabled: None) -> None:
    spool = Spool()
    spool.tick(1200)
    reader = SpoolReader(node_interval=0, interval=0)
    rows = []
    after = 0
    async with serving(spool) as client:
        while after < spool.last_seq:
            async with reader.turn("mash-a"):
                page = await reader.read(client, "mash-a", "s1", after)
            rows += page.samples
            after = page.next
        with pytest.raises(OtherSpoolError):
            await reader.read(client, "mash-a", "s9", 0)
    assert rows == spool.rows
    assert spool.requests == [0, 1000, 2000, 0]


async def test_a_node_is_not_asked_more_often_than_its_pace_allows() -> None:
    reader = SpoolReader(node_interval=0.05, interval=0)
    began = time.monotonic()
    for _ in range(4):
        async with reader.turn("a"):
            pass
    assert time.monotonic() - began >= 3 * 0.05


async def test_all_nodes_together_are_not_asked_more_often_than_the_pace_allows() -> None:
    reader = SpoolReader(node_interval=0, interval=0.02)
    began = time.monotonic()

    async def one(node_id: str) -> None:
        async with reader.turn(node_id):
            pass

    await asyncio.gather(*(one(f"n{index}") for index in range(6)))
    assert time.monotonic() - began >= 5 * 0.02


async def test_the_usual_pace_leaves_most_of_the_nodes_limit_to_others() -> None:
    assert spool_reader.NODE_INTERVAL_S >= 1 / 10  # a node takes 20 requests/s


async def test_few_nodes_are_read_at_once_and_each_by_one_reader() -> None:
    reader = SpoolReader(node_interval=0, interval=0)
    inside: list[str] = []
    most = 0

    async def one(node_id: str) -> None:
        nonlocal most
        async with reader.turn(node_id):
            assert node_id not in inside
            inside.append(node_id)
            most = max(most, len(inside))
            await asyncio.sleep(0.001)
            inside.remove(node_id)

    await asyncio.gather(*(one(f"n{index % 10}") for index in range(30)))
    assert most == CONCURRENT


async def test_a_node_that_fails_rests_longer_each_time_until_it_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rests: list[float] = []

    async def sleep_until(moment: float) -> None:
        rests.append(moment - time.monotonic())

    monkeypatch.setattr(spool_reader, "_sleep_until", sleep_until)
    reader = SpoolReader()
    for failures in range(1, 10):
        with pytest.raises(NodeConnectionError):
            async with reader.turn("a"):
                raise NodeConnectionError("gone")
        assert reader.failures("a") == failures
    rests.clear()
    async with reader.turn("a"):
        pass
    assert 29 < rests[0] <= 60
    assert reader.failures("a") == 0
    rests.clear()
    async with reader.turn("b"):
        pass
    assert rests[0] < 0


async def test_backoff_doubles_from_a_second_to_a_minute_with_jitter() -> None:
    for failures, longest in ((1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (1000, 60)):
        for _ in range(20):
            assert longest / 2 <= spool_reader._backoff(failures) <= longest


async def test_a_fault_that_nobody_foresaw_makes_the_node_rest_too() -> None:
    reader = SpoolReader()
    with pytest.raises(KeyError):
        async with reader.turn("a"):
            raise KeyError("x")
    assert reader.failures("a") == 1


async def test_a_page_of_another_spool_is_refused() -> None:
    class Confused:
        async def samples(
            self, *, after: int = 0, spool_id: str | None = None, limit: int = 1000, wait: float = 0
        ) -> SamplesPage:
            return Spool(spool_id="s2").page(after)

    with pytest.raises(NodeResponseError, match="spool s1"):
        await SpoolReader.read(Confused(), "mash-a", "s1", 0)


async def test_a_page_of_another_node_is_refused(socket_enabled: None) -> None:
    spool = Spool()
    spool.tick(3)
    async with serving(spool) as client:
        with pytest.raises(NodeResponseError, match="read as node boil-a"):
            await SpoolReader.read(client, "boil-a", "s1", 0)
