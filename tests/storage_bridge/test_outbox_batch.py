"""Events of Home Assistant, record by record."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_bridge.model import problem
from storage_bridge.outbox_batch import (
    MalformedBatchError,
    _records,
    _whole,
    parse_event,
    parse_message,
)

from .events import batch, event, message

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


def test_an_event_becomes_samples_with_their_numbers() -> None:
    parsed, _ = batch(1, 101)
    assert parsed.spans == [(1, 101)]
    assert len(parsed.samples) == 101
    assert parsed.bad == []
    assert parsed.samples[0] == ("mash-a/t1", 1_790_000_000_000, 20.0625, "ok", "b1")
    assert parsed.samples[49].value is None
    assert parsed.last["mash-a/t1"].seq == 101
    assert parsed.last["mash-a/t0"].seq == 100
    assert parsed.newest_t == 1_790_000_050_000


def test_holes_and_a_gap_are_kept_apart_from_what_came() -> None:
    parsed, _ = batch(11, 40, gap={"from": 1, "to": 10}, holes=[[20, 29]])
    assert parsed.spans == [(11, 19), (30, 40)]
    assert parsed.gap == (1, 10)
    assert parsed.holes == [(20, 29)]


@pytest.mark.parametrize(
    "row",
    [
        [3, -1, 0, 1.0, "ok", None],
        [3, 10**18, 0, 1.0, "ok", None],
        [3, True, 0, 1.0, "ok", None],
        [3, 5, 2, 1.0, "ok", None],
        [3, 5, -1, 1.0, "ok", None],
        [3, 5, 0, "1.0", "ok", None],
        [3, 5, 0, True, "ok", None],
        [3, 5, 0, None, "ok", None],
        [3, 5, 0, 1.0, "bad:crc", None],
        [3, 5, 0, 1.0, "fine", None],
        [3, 5, 0, 1.0, "suspect:" + "x" * 300, None],
        [3, 5, 0, 1.0, "ok", 7],
        [3, 5, 0, 1.0, "suspect:\0", None],
        ["3", 5, 0, 1.0, "ok", None],
        [3, 5, 0, 1.0, "ok"],
        None,
        "row",
    ],
)
def test_one_bad_record_is_set_aside_and_the_others_stay(row: Any) -> None:
    payload = event(1, 6)
    payload["samples"][2] = row
    parsed = parse_event(payload)
    assert [bad.record for bad in parsed.bad] == [orjson.dumps(row)]
    assert len(parsed.samples) == 5
    assert parsed.spans == [(1, 6)], "its number must not be asked for again"


@given(_JSON)
def test_json_that_is_no_event_is_malformed(payload: Any) -> None:
    with pytest.raises(MalformedBatchError, match=r"\w"):
        parse_event(payload)


@given(st.lists(_JSON, max_size=6))
def test_any_record_is_storable_or_set_aside(rows: list[Any]) -> None:
    payload = event(1, 4)
    payload["samples"] = rows
    parsed = parse_event(payload)
    assert len(parsed.samples) + len(parsed.bad) == len(rows)
    assert all(problem(sample) is None for sample in parsed.samples)


_ROW = st.tuples(
    st.sampled_from([1, 2, 3, 4, 5, 2**53, 2**53 + 1, True, None]),
    st.sampled_from([0, 5, 10**12, -1, 10**18, False, 1.0]),
    st.sampled_from([0, 1, 2, 3, -1]),
    st.sampled_from([1.5, -0.0, 7, None, True, "1"]),
    st.sampled_from(["ok", "ok", "bad:crc", "suspect:clock", "fine", "bad:\0", None]),
    st.sampled_from([None, None, 0, 1, 2, True]),
)


@given(st.lists(_ROW | st.just(()), max_size=5), st.booleans())
def test_records_read_at_once_are_what_they_are_one_by_one(rows: list[Any], rising: bool) -> None:
    if rising:
        rows = [(place, *row[1:]) for place, row in enumerate(rows, 1)]
    records = [list(row) for row in rows]
    series, batches = ["mash-a/t0", "mash-a/t1", None], ["b1", None]
    found = _whole(records, series, batches)
    slowly = _records(records, series, batches, 9)
    assert found is None or found == slowly
    if found is None and records:
        values = [row[3] for row in records if len(row) == 6]
        assert slowly[2] or any(type(value) is bool for value in values)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("node_id", None), ("node_id", ""), ("spool_id", 7), ("series", "x"),
        ("batches", None), ("samples", {}), ("next", -1),
        ("next", "9"), ("gap", []), ("gap", {"from": 5, "to": 4}), ("holes", None),
        ("holes", [[4]]), ("holes", [[4, "5"]]), ("holes", [{"from": 1, "to": 2}]),
    ],
)  # fmt: skip
def test_an_event_with_a_broken_head_is_malformed_as_a_whole(key: str, value: Any) -> None:
    with pytest.raises(MalformedBatchError):
        parse_event({**event(1, 6), key: value})


@pytest.mark.parametrize("blob", [b"", b"{", b"[]", b"7", b'{"type": "event"}', b"\xff"])
def test_what_is_no_message_is_malformed(blob: bytes) -> None:
    with pytest.raises(MalformedBatchError):
        parse_message(blob)


@pytest.mark.parametrize("name", [7, "", "other/t0", "mash-a/\0", "mash-a/" + "x" * 300, None])
def test_a_series_that_cannot_be_stored_spoils_only_its_own_records(name: Any) -> None:
    payload = event(1, 10)
    payload["series"][0] = name
    parsed = parse_event(payload)
    assert {sample.series for sample in parsed.samples} == {"mash-a/t1"}
    assert len(parsed.bad) == 5
    assert parsed.spans == [(1, 10)]


@pytest.mark.parametrize("name", [7, "", "\0", "x" * 300, None])
def test_a_batch_that_cannot_be_stored_spoils_only_its_own_records(name: Any) -> None:
    parsed = parse_event({**event(1, 10), "batches": [name]})
    assert [sample.batch for sample in parsed.samples] == [None] * 5
    assert [bad.reason for bad in parsed.bad] == ["its batch is not a short text"] * 5


def test_a_message_is_read_as_received() -> None:
    assert parse_message(message(event(5, 9))).spans == [(5, 9)]
