"""Events for the bridge: bounded, complete, serialised once."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from custom_components.smart_beer.batches import MAX_BYTES, Batch, make_batch
from custom_components.smart_beer.models import SamplesPage
from tests.smart_beer.spool import Spool


def event(batch: Batch | None) -> dict[str, Any]:
    assert batch is not None
    loaded: dict[str, Any] = json.loads(batch.payload)
    return loaded


def test_an_event_has_the_shape_of_the_contract() -> None:
    spool = Spool()
    spool.tick()
    assert event(make_batch("mash-a", [spool.page(0)], 0)) == {
        "node_id": "mash-a",
        "spool_id": "s1",
        "series": ["mash-a/temperature", "mash-a/pressure"],
        "batches": [],
        "samples": spool.rows,
        "next": 2,
        "gap": None,
        "holes": [],
    }


def test_nothing_to_send_is_no_event() -> None:
    spool = Spool()
    assert make_batch("mash-a", [], 0) is None
    assert make_batch("mash-a", [spool.page(0)], 0) is None


def test_pages_with_different_tables_become_one_event_with_one() -> None:
    first, second = Spool(channels=("a", "b")), Spool(channels=("b", "c"))
    first.rows = [[1, 1, 0, 1.0, "ok", 0], [2, 1, 1, None, "bad:crc", None]]
    second.rows = [[3, 2, 0, 3.0, "ok", 1], [4, 2, 1, 4.0, "ok", 0]]
    pages = []
    for spool, batches in ((first, ["B1"]), (second, ["B2", "B1"])):
        reply = spool.reply(0) | {"batches": batches}
        pages.append(SamplesPage.parse(reply, after=0))
    told = event(make_batch("mash-a", pages, 0))
    assert told["series"] == ["mash-a/a", "mash-a/b", "mash-a/c"]
    assert told["batches"] == ["B1", "B2"]
    assert told["samples"] == [
        [1, 1, 0, 1.0, "ok", 0],
        [2, 1, 1, None, "bad:crc", None],
        [3, 2, 1, 3.0, "ok", 0],
        [4, 2, 2, 4.0, "ok", 1],
    ]


def test_no_event_has_more_than_a_thousand_samples() -> None:
    spool = Spool()
    spool.tick(1500)
    pages = [spool.page(0), spool.page(1000), spool.page(2000)]
    batch = make_batch("mash-a", pages, 0)
    assert event(batch)["next"] == 1000
    assert batch is not None
    assert batch.count == 1000


def test_no_event_is_larger_than_512_kib() -> None:
    spool = Spool(channels=tuple(f"{index}-{'x' * 1500}" for index in range(500)))
    spool.tick()
    after = 0
    seen: list[int] = []
    while (batch := make_batch("mash-a", [spool.page(after)], after)) is not None:
        assert len(batch.payload) <= MAX_BYTES
        seen += [row[0] for row in event(batch)["samples"]]
        after = batch.next
    assert seen == list(range(1, 501))


def test_a_sample_that_is_larger_than_the_limit_goes_alone() -> None:
    spool = Spool(channels=("x" * 600, "y" * 600))
    spool.tick()
    batch = make_batch("mash-a", [spool.page(0)], 0, max_bytes=500)
    assert batch is not None
    assert batch.count == 1


def test_a_gap_is_always_at_the_start_of_an_event() -> None:
    spool = Spool()
    spool.tick(2)
    first = spool.page(0)
    spool.tick(2)
    spool.drop(7)
    second = spool.page(4)
    told = event(make_batch("mash-a", [first, second], 0))
    assert (told["next"], told["gap"]) == (4, None)
    told = event(make_batch("mash-a", [second], 4))
    assert (told["next"], told["gap"]) == (8, {"from": 5, "to": 6})


def test_the_holes_of_its_range_are_in_an_event_and_no_others() -> None:
    spool = Spool()
    spool.tick()
    spool.skip(5)
    spool.tick()
    spool.skip(5)
    spool.tick()
    holes = [[3, 7], [10, 14]]
    assert spool.holes == holes
    assert event(make_batch("mash-a", [spool.page(0, 2)], 0))["holes"] == []
    assert event(make_batch("mash-a", [spool.page(2, 2)], 2))["holes"] == holes[:1]
    assert event(make_batch("mash-a", [spool.page(0)], 0))["holes"] == holes


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(1, 50), st.data())
def test_following_next_gives_every_row_once_and_in_order(
    sizes: list[int], max_samples: int, data: st.DataObject
) -> None:
    spool = Spool(channels=("temperature",))
    pages = []
    for size in sizes:
        if data.draw(st.booleans()):
            spool.skip(3)
        after = spool.rows[-1][0] if spool.rows else 0
        spool.tick(size)
        pages.append(spool.page(after))
    cursor = 0
    seen: list[list[Any]] = []
    while left := [page for page in pages if page.next > cursor]:
        cut = [
            SamplesPage.parse(
                {**spool.reply(cursor, 10_000), "samples": rows, "next": rows[-1][0]}, after=cursor
            )
            for page in left
            if (rows := [row for row in page.samples if row[0] > cursor])
        ]
        batch = make_batch("mash-a", cut, cursor, max_samples=max_samples)
        told = event(batch)
        assert 0 < len(told["samples"]) <= max_samples
        seen += told["samples"]
        cursor = told["next"]
    assert seen == spool.rows
