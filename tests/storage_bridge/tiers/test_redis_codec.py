"""What is written into Redis comes back, whatever it is."""

from itertools import batched

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_bridge.model import MINUTE_MS, Last, Sample
from storage_bridge.tiers.base import TierRejectedError
from storage_bridge.tiers.redis_codec import (
    decode_last,
    encode_last,
    fields,
    grouped,
    samples_of,
    split,
)

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
short = texts.filter(lambda text: len(text) <= 255)
numbers = st.one_of(
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(10**300), 10**300),
)
samples = st.builds(
    Sample, short, st.integers(0, 10 * MINUTE_MS), numbers, st.just("ok") | short, st.none() | short
)


def _reply(series: str, batch: str, encoded: bytes) -> bytes:
    """What the server's side makes of a minute's fields for one series."""
    prefix = f"{split(series)[1]}:".encode()
    entries = [batch.encode()]
    for name, value in batched(encoded.split(b"\xff")[:-1], 2, strict=True):
        offset = name.removeprefix(prefix)
        if name.startswith(prefix) and b":" not in offset:
            entries += [offset, value]
    return b"\xff".join(entries)


@given(st.lists(samples, max_size=20), short | st.just(""))
def test_samples_come_back_as_they_were(rows: list[Sample], batch: str) -> None:
    for (node, number), group in grouped(rows).items():
        encoded = fields(number, group, batch)
        for row in group:
            assert split(row.series)[0] == node
            assert row.t // MINUTE_MS == number
            reply = _reply(row.series, batch, encoded)
            double = None if row.value is None else float(row.value)
            found = samples_of(row.series, number, reply, 0, 1 << 50)
            assert row._replace(value=double) in found


def test_an_ok_sample_of_the_minutes_batch_costs_its_number_only() -> None:
    row = Sample("n/t", 60_123, 66.1875, "ok", "B001")
    assert fields(1, [row], "B001") == b"t:123\xff66.1875\xff"
    assert fields(1, [row._replace(batch=None)], "") == b"t:123\xff66.1875\xff"


@given(short, short)
def test_no_two_series_share_a_place(one: str, other: str) -> None:
    assert (split(one) == split(other)) == (one == other)
    assert len({split("x"), split("x/"), split("x/y")}) == 3


def test_only_the_range_asked_for_is_given() -> None:
    rows = [Sample("n/t", 60_000 + n * 1000, float(n), "ok", None) for n in range(60)]
    reply = _reply("n/t", "", fields(1, rows, ""))
    assert samples_of("n/t", 1, reply, 61_000, 63_000) == rows[1:3]
    assert samples_of("n/t", 1, b"", 0, 1 << 50) == []


def test_samples_of_a_minute_share_a_hash() -> None:
    rows = [Sample("n/a", 59_999, 1.0, "ok", None), Sample("n/b", 0, 1.0, "ok", None)]
    assert grouped([*rows, rows[0]._replace(t=60_000)]).keys() == {("n", 0), ("n", 1)}


@given(samples, st.none() | st.tuples(short, st.integers(1, 2**53)))
def test_the_newest_sample_comes_back(row: Sample, origin: tuple[str, int] | None) -> None:
    value = None if row.value is None else float(row.value)
    last = Last(row.t, value, row.quality, row.batch, *(origin or (None, None)))
    encoded = encode_last(row.series, last)
    assert decode_last(encoded) == last
    assert orjson.loads(encoded)[5] == last.seq


@pytest.mark.parametrize(
    "last",
    [
        Last(5, float("nan"), "ok", None, "s", 1),
        Last(-5, 1.0, "ok", None, "s", 1),
        Last(5, 1.0, "ok", None, "\ud800", 1),
        Last(5, 1.0, "ok", None, "s", 2**70),
    ],
)
def test_a_newest_sample_that_cannot_be_stored_is_refused(last: Last) -> None:
    with pytest.raises(TierRejectedError):
        encode_last("n/t", last)
