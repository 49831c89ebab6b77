"""What is stored of a state, live or recorded."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_bridge.mirror_states import Item, LiveStates, message, number_of, recorded
from storage_bridge.outbox_batch import parse_message

T = 1_790_000_000.125
E = "sensor.tilt_red_gravity"


@pytest.mark.parametrize("text", ["on", "unavailable", "unknown", "nan", "inf", "1_0", "", "٣"])
def test_words_are_no_numbers(text: str) -> None:
    assert number_of(text) is None


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_stored_bit_for_bit(value: float) -> None:
    read = number_of(repr(value))
    assert read is not None
    blob = message("s", 7, [Item(E, 5, repr(value), read)])
    (sample,) = parse_message(blob).samples
    assert sample.value is not None
    assert struct.pack("d", sample.value) == struct.pack("d", value)


def test_a_number_is_of_its_last_update_and_a_word_of_its_change() -> None:
    live = LiveStates()
    assert live.take({"a": {E: {"s": "1.05", "lc": T}, "switch.a": {"s": "on", "lc": T}}}) == [
        Item(E, 1_790_000_000_125, "1.05", 1.05),
        Item("switch.a", 1_790_000_000_125, "on", None),
    ]
    assert live.take({"c": {E: {"+": {"lu": T + 2, "a": {"rssi": -60}}}}}) == [
        Item(E, 1_790_000_002_125, "1.05", 1.05)
    ]
    assert live.take({"c": {"switch.a": {"+": {"lu": T + 2, "a": {}}}}}) == [
        Item("switch.a", 1_790_000_000_125, "on", None)
    ]
    assert live.take({"c": {E: {"+": {"s": "1.04", "lc": T + 3}}}, "r": ["x.y"]}) == [
        Item(E, 1_790_000_003_125, "1.04", 1.04)
    ]


def test_the_recorder_says_the_same() -> None:
    rows = [
        {"s": "1.05", "a": {}, "lu": T},
        {"s": "1.05", "a": {}, "lu": T + 2, "lc": T},
        {"s": "unavailable", "a": {}, "lu": T + 4, "lc": T + 3},
        {"s": "", "a": {}, "lu": T + 5},
    ]
    assert recorded(E, rows) == [
        Item(E, 1_790_000_000_125, "1.05", 1.05),
        Item(E, 1_790_000_002_125, "1.05", 1.05),
        Item(E, 1_790_000_003_125, "unavailable", None),
    ]


@pytest.mark.parametrize("event", [None, {"a": {E: {"s": "1"}}}, {"c": {"never.seen": {}}}])
def test_what_is_no_event_is_told_apart(event: object) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        LiveStates().take(event)


def test_numbers_of_the_outbox_follow_on_each_other() -> None:
    items = [Item(E, 1, "1", 1.0), Item("sensor.room", 1, "20", 20.0), Item(E, 2, "2", 2.0)]
    batch = parse_message(message("spool", 10, items))
    assert (batch.node_id, batch.spool_id, batch.spans, batch.next) == (
        "ha",
        "spool",
        [(11, 13)],
        13,
    )
    assert [(s.series, s.t, s.value) for s in batch.samples] == [
        (f"ha/{E}", 1, 1.0),
        ("ha/sensor.room", 1, 20.0),
        (f"ha/{E}", 2, 2.0),
    ]
    assert batch.bad == []
