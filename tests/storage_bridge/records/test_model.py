"""Two contents of one record become the same one, in whatever order they meet."""

from dataclasses import replace
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_bridge.records.model import (
    KINDS,
    Alarm,
    Batch,
    BatchSeries,
    DeadLetter,
    Event,
    Note,
    Record,
    Refused,
    merged,
)

TIMES = st.integers(0, 5)
TEXTS = st.sampled_from(["", "a", "b"])
MAYBE = st.none() | TIMES
IDS = st.none() | st.sampled_from(["b1", "b2"])
CONTENTS: list[st.SearchStrategy[Record]] = [
    st.builds(Batch, st.just("b"), st.just("k"), TIMES, MAYBE, TEXTS, TEXTS, TIMES),
    st.builds(BatchSeries, st.just("b"), st.just("n/t"), st.sampled_from("kl"), TIMES, MAYBE),
    st.builds(Alarm, st.just("n"), st.just("a"), st.just(1), TEXTS, MAYBE, IDS, IDS),
    st.builds(Note, st.just("n"), TIMES, st.just("k"), st.just("by"), TEXTS, TIMES, IDS),
    st.builds(Event, st.just("switch.a"), st.just(1), TEXTS, IDS),
    st.builds(DeadLetter, st.just("warm"), st.just("n"), TIMES, TEXTS, st.just("r")),
]


@given(st.data())
def test_the_order_and_the_number_of_writes_do_not_matter(data: st.DataObject) -> None:
    contents = data.draw(st.lists(data.draw(st.sampled_from(CONTENTS)), min_size=1, max_size=4))
    assert len({content.key for content in contents}) == 1
    want = reduce(lambda one, other: one.merge(other), contents)
    again = data.draw(st.permutations([*contents, *contents, want]))
    assert reduce(lambda one, other: one.merge(other), again) == want
    assert merged(again) == [want]
    assert want.key == contents[0].key
    assert type(want).of({**want.body(), "of_a_newer_version": 1}) == want


def test_kinds_have_names_of_their_own() -> None:
    assert len({kind.kind for kind in KINDS}) == len(KINDS)


def test_keys_do_not_run_into_one_another() -> None:
    assert Event("a", 11, "on").key != Event("a1", 1, "on").key
    one = Refused("s", 1, 1.0, "ok", None, 2.0, "ok", None)
    assert one.key != replace(one, value=None, quality="bad:crc").key
    assert one.key == replace(one, kept_value=3.0).key


@pytest.mark.parametrize(
    "change",
    [
        {"batch_id": ""},
        {"batch_id": "b" * 256},
        {"batch_id": None},
        {"name": "\ud800"},
        {"notes": "x" * 100_001},
        {"notes": "a\0b"},
        {"started": -1},
        {"ended": 10**16},
        {"changed": None},
    ],
    ids=repr,
)
def test_what_no_store_can_keep_is_refused(change: dict[str, Any]) -> None:
    good = Batch("b", "k", 1, None, "", "", 0)
    with pytest.raises(ValueError, match=next(iter(change))):
        replace(good, **change)
