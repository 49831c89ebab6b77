"""The newest minute of a node in memory."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.smart_beer.feed import SampleFeed
from custom_components.smart_beer.models import SamplesPage
from tests.smart_beer.spool import T0, Spool


class Clock:
    """A monotonic clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def seqs(pages: list[SamplesPage]) -> list[int]:
    return [row[0] for page in pages for row in page.samples]


def test_serves_what_follows_a_cursor_also_within_a_page() -> None:
    spool, feed = Spool(), SampleFeed()
    spool.tick(5)
    feed.append(spool.page(0, limit=4))
    feed.append(spool.page(4))
    assert seqs(feed.pages_since(0)) == list(range(1, 11))
    assert seqs(feed.pages_since(3)) == list(range(4, 11))
    assert seqs(feed.pages_since(4)) == list(range(5, 11))
    assert feed.pages_since(10) == []
    assert feed.pages_since(3)[0].after == 3


def test_covers_cursors_from_its_oldest_page_to_its_newest_sample_of_this_spool() -> None:
    spool, feed = Spool(), SampleFeed()
    assert not feed.covers("s1", 0)
    spool.tick(10)
    feed.append(spool.page(8))
    assert [feed.covers("s1", seq) for seq in (7, 8, 19, 20, 21)] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert not feed.covers("s2", 8)


def test_forgets_what_arrived_longer_ago_than_a_minute_whatever_its_stamp_says() -> None:
    clock = Clock()
    spool, feed = Spool(), SampleFeed(monotonic=clock)
    for _ in range(100):
        spool.tick()
        feed.append(spool.page(feed.last_seq))
        clock.now += 1
    assert len(feed) == 2 * 61
    assert seqs(feed.pages_since(0))[0] == 79
    assert feed.covers("s1", 78)
    assert not feed.covers("s1", 77)


def test_is_bounded_by_count_even_when_one_page_exceeds_it() -> None:
    spool, feed = Spool(), SampleFeed(max_samples=100)
    spool.tick(40)
    feed.append(spool.page(0))
    spool.tick(40)
    feed.append(spool.page(80))
    assert len(feed) == 80
    got: list[int] = []
    feed.subscribe(lambda page: got.extend(seqs([page])))
    spool.tick(60)
    feed.append(spool.page(160))
    assert len(feed) == 0
    assert got == list(range(161, 281))
    assert feed.covers("s1", 280)
    assert not feed.covers("s1", 279)


def test_another_spool_starts_anew() -> None:
    spool, feed = Spool(), SampleFeed()
    spool.tick(3)
    feed.append(spool.page(0))
    told: list[str] = []
    feed.subscribe(lambda page: told.append(page.spool_id))
    spool.replace("s2")
    feed.append(spool.page(0))
    assert told == ["s2"]  # the first page of a spool is news, even an empty one
    assert (feed.spool_id, feed.last_seq, len(feed), feed.newest) == ("s2", 0, 0, {})
    spool.tick()
    feed.append(spool.page(0))
    assert seqs(feed.pages_since(0)) == [1, 2]
    assert feed.newest["mash-a/pressure"] == (T0, 20.02, "ok")


def test_a_page_that_does_not_follow_starts_anew() -> None:
    spool, feed = Spool(), SampleFeed()
    spool.tick(3)
    feed.append(spool.page(0))
    spool.tick(10)
    feed.append(spool.page(20))
    assert not feed.covers("s1", 6)
    assert feed.covers("s1", 20)
    assert seqs(feed.pages_since(0)) == list(range(21, 27))
    spool.tick()
    feed.append(spool.page(28))  # an empty page far ahead
    assert feed.covers("s1", 28)
    assert not feed.covers("s1", 26)


def test_an_empty_page_moves_the_bounds_and_nobody_is_told() -> None:
    spool, feed = Spool(), SampleFeed()
    spool.tick()
    feed.append(spool.page(0))
    told: list[SamplesPage] = []
    feed.subscribe(told.append)
    spool.drop(2)
    spool.skip(5)
    feed.append(spool.page(2))
    assert told == []
    assert (feed.first_seq, feed.node_last_seq, feed.last_seq) == (2, 7, 2)
    assert feed.holes == [[3, 7]]


def test_samples_that_came_twice_are_passed_on_once() -> None:
    spool, feed = Spool(), SampleFeed()
    spool.tick(2)
    got: list[int] = []
    feed.subscribe(lambda page: got.extend(seqs([page])))
    feed.append(spool.page(0))
    spool.tick(1)
    feed.append(spool.page(2))
    feed.append(spool.page(0))
    assert got == [1, 2, 3, 4, 5, 6]
    assert seqs(feed.pages_since(0)) == [1, 2, 3, 4, 5, 6]


def test_a_page_without_its_cursor_is_placed_by_its_first_sample() -> None:
    spool, feed = Spool(), SampleFeed()
    spool.tick(3)
    feed.append(SamplesPage.parse(spool.reply(2)))
    assert feed.covers("s1", 2)
    assert not feed.covers("s1", 1)
    spool.replace("s2")
    feed.append(SamplesPage.parse(spool.reply(0)))
    assert feed.covers("s2", 0)


@pytest.mark.parametrize(
    ("after", "gap"),
    [
        (6, {"from": 7, "to": 12}),
        (9, {"from": 10, "to": 12}),
        (12, None),
        (13, None),
    ],
)
def test_a_gap_is_clipped_to_what_lies_after_the_cursor(
    after: int, gap: dict[str, Any] | None
) -> None:
    spool, feed = Spool(), SampleFeed()
    spool.tick(3)
    feed.append(spool.page(0))
    spool.tick(6)
    spool.drop(13)
    feed.append(spool.page(6))
    assert feed.pages_since(after)[0].gap == gap


def test_one_readers_fault_does_not_keep_the_others_from_the_page(
    caplog: pytest.LogCaptureFixture,
) -> None:
    spool, feed = Spool(), SampleFeed()
    got: list[int] = []

    def faulty(_page: SamplesPage) -> None:
        raise RuntimeError("boom")

    feed.subscribe(faulty)
    unsubscribe = feed.subscribe(lambda page: got.extend(seqs([page])))
    spool.tick()
    feed.append(spool.page(0))
    assert got == [1, 2]
    assert "A reader of the samples of mash-a (spool s1) failed" in caplog.text
    unsubscribe()
    unsubscribe()
    spool.tick()
    feed.append(spool.page(2))
    assert got == [1, 2]


@given(st.data())
def test_whatever_happens_every_covered_cursor_gets_exactly_what_follows_it(
    data: st.DataObject,
) -> None:
    clock = Clock()
    spool = Spool(channels=("temperature",))
    feed = SampleFeed(keep_s=10, max_samples=20, monotonic=clock)
    newest_by_seq: dict[str, float | None] = {}
    after = 0
    for _ in range(data.draw(st.integers(1, 25))):
        action = data.draw(
            st.sampled_from(["tick", "poll", "poll", "hole", "drop", "jump", "wait", "replace"])
        )
        if action == "tick":
            spool.tick(data.draw(st.integers(1, 12)))
        elif action == "hole":
            spool.skip(data.draw(st.integers(1, 5)))
        elif action == "drop":
            spool.drop(data.draw(st.integers(spool.first_seq, spool.last_seq + 1)))
        elif action == "jump":
            after = data.draw(st.integers(0, spool.last_seq))
        elif action == "wait":
            clock.now += data.draw(st.floats(0, 8))
        elif action == "replace":
            spool.replace(f"s{len(spool.spool_id)}{spool.spool_id}")
            after = 0
        else:
            page = spool.page(after, data.draw(st.integers(1, 30)))
            after = page.next
            if page.spool_id != feed.spool_id:
                newest_by_seq = {}
            feed.append(page)
            newest_by_seq |= {
                spool.series[row[2]]: row[3] for row in page.samples if row[0] == feed.last_seq
            }
            served = [row[0] for row in spool.rows]
            for cursor in range(spool.last_seq + 2):
                if feed.covers(spool.spool_id, cursor):
                    got = [row for row in seqs(feed.pages_since(cursor)) if row in served]
                    expected = [seq for seq in served if cursor < seq <= feed.last_seq]
                    assert got == expected
            assert {name: value for name, (_t, value, _q) in feed.newest.items()} == newest_by_seq
        assert len(feed) <= 20
        assert len(feed) == len(seqs(feed.pages_since(0)))
