"""The archive's format: exact for any samples, stable for ever, refusing what is damaged."""

import json
import math
import sys
from compression import zstd
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from storage_bridge.codec import (
    Chunk,
    ChunkHead,
    CodecError,
    decode,
    encode,
    generation,
    numbers_of,
    samples_of,
    verified,
)
from storage_bridge.codec_columns import Blob, pack_ints, pack_labels, unpack_ints, unpack_labels
from storage_bridge.codec_values import DECIMAL, DOUBLE, TABLE
from storage_bridge.model import HOUR_MS, Sample
from tests.storage_bridge.generated import HOUR, SERIES, damaged, probe_hour, repacked

GOLDEN = json.loads((Path(__file__).parent / "golden" / "chunks.json").read_text())

DECIMALS = st.builds(
    lambda whole, places: whole / 10**places,
    st.integers(-(10**7), 10**7),
    st.integers(0, 9),
)
VALUES = st.one_of(
    st.none(),
    DECIMALS,
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([-0.0, 0.0, 5e-324, -2.2e-308, 1e308, -1e308, 2.0**53, 0.1 + 0.2, 1e-9]),
)
QUALITIES = st.sampled_from(["ok", "ok", "ok", "suspect:outlier", "bad:crc", "suspect:ä"])
BATCHES = st.sampled_from([None, None, "b1", "Bräu 7", ""])


@st.composite
def hours(draw: st.DrawFn, values: st.SearchStrategy[float | None] = VALUES) -> list[Sample]:
    """Samples of one series and hour by rising time."""
    hour = draw(st.sampled_from([0, HOUR, 253_402_297_200_000]))
    regular = st.integers(1, 300).map(lambda count: list(range(0, count * 1000, 1000)))
    any_times = st.sets(st.integers(0, HOUR_MS - 1), min_size=1, max_size=60).map(sorted)
    times = draw(st.one_of(regular, any_times))
    count = len(times)
    column = draw(st.lists(values, min_size=count, max_size=count))
    labels = draw(st.lists(st.tuples(QUALITIES, BATCHES), min_size=1, max_size=5))
    if draw(st.booleans()):
        column = [column[i % 3 % count] for i in range(count)]
    return [
        Sample(SERIES, hour + t, value, *labels[i * len(labels) // count])
        for i, (t, value) in enumerate(zip(times, column, strict=True))
    ]


def same_bits(left: list[Sample], right: list[Sample]) -> bool:
    # -0.0 == 0.0, but repr tells them apart
    return repr(left) == repr(right)


@given(hours())
@example([Sample(SERIES, HOUR, -0.0, "ok", None), Sample(SERIES, HOUR + 1, 0.0, "ok", None)])
@example([Sample(SERIES, HOUR + i, 1e308, "ok", None) for i in range(40)])
@example([Sample(SERIES, HOUR + i, 0.1 * (i % 3), "ok", None) for i in range(40)])
@example([Sample(SERIES, HOUR + HOUR_MS - 1, None, "bad:crc", None)])
def test_every_hour_comes_back_bit_by_bit(samples: list[Sample]) -> None:
    chunk = encode(samples)
    assert same_bits(verified(chunk), samples)
    head = chunk.head
    good = [s.value for s in samples if s.value is not None and not s.quality.startswith("bad")]
    assert (head.rows, head.n, head.t0, head.t1) == (
        len(samples),
        len(good),
        samples[0].t,
        samples[-1].t,
    )
    assert (head.low, head.high) == (min(good, default=None), max(good, default=None))
    assert math.isfinite(head.total)
    assert [number for number in numbers_of(decode(chunk)) if number is not None] == good


@given(hours(values=DECIMALS))
def test_decimal_readings_are_kept_as_whole_numbers(samples: list[Sample]) -> None:
    if all(abs(sample.value or 0) < 10**6 for sample in samples):
        values = [sample.value for sample in samples]
        expected = DOUBLE if any(str(value) == "-0.0" for value in values) else DECIMAL
        assert encode(samples).head.codec == expected


@given(hours(), hours())
def test_gen_names_the_content(one: list[Sample], other: list[Sample]) -> None:
    assert (encode(one).head.gen == encode(other).head.gen) == same_bits(one, other)
    assert encode(one).head.gen == encode(list(one)).head.gen
    assert len(encode(one).head.gen) == 16


def test_sums_beyond_a_double_stop_at_the_largest() -> None:
    samples = [Sample(SERIES, HOUR + i, 1e308, "ok", None) for i in range(5)]
    assert encode(samples).head.total == sys.float_info.max
    balanced = [Sample(SERIES, HOUR + i, 1e308 * (-1) ** i, "ok", None) for i in range(4)]
    assert encode(balanced).head.total == 0.0


def test_a_probe_on_the_second_costs_less_than_a_byte() -> None:
    chunk = encode(probe_hour(HOUR, 3))
    assert chunk.head.codec == DECIMAL
    assert len(chunk.data) < 0.5 * chunk.head.rows


def test_a_calibrated_probe_costs_less_than_a_byte_too() -> None:
    samples = [
        sample._replace(value=1.0031 * (sample.value or 0) + 0.04) for sample in probe_hour(HOUR, 3)
    ]
    chunk = encode(samples)
    assert chunk.head.codec == TABLE
    assert same_bits(verified(chunk), samples)
    assert len(chunk.data) < 0.6 * chunk.head.rows


def test_ok_and_an_unchanged_batch_cost_nothing() -> None:
    plain = [sample._replace(batch=None) for sample in probe_hour(HOUR)]
    labelled = [sample._replace(batch="batch-1", quality="ok") for sample in plain]
    assert len(encode(labelled).data) - len(encode(plain).data) < 30


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        ([], "at least one"),
        (probe_hour(HOUR)[:3:-1], "not in order"),
        (probe_hour(HOUR)[:2] + probe_hour(HOUR)[1:3], "two have one time"),
        (probe_hour(HOUR)[-1:] + probe_hour(HOUR + HOUR_MS)[:1], "outside that hour"),
        ([Sample("a", HOUR, 1.0, "ok", None), Sample("b", HOUR + 1, 1.0, "ok", None)], "another"),
        ([Sample("a", HOUR, math.nan, "ok", None)], "finite"),
        ([Sample("a", HOUR, math.inf, "ok", None)], "finite"),
        ([Sample("a", -1, 1.0, "ok", None)], "outside"),
    ],
)
def test_what_is_no_hour_is_refused(samples: list[Sample], reason: str) -> None:
    with pytest.raises(CodecError, match=reason):
        encode(samples)


def test_a_turned_bit_an_unknown_codec_and_another_head_are_refused() -> None:
    chunk = encode(probe_hour(HOUR))
    with pytest.raises(CodecError, match=rf"'{SERIES}' in the hour {HOUR} is damaged: its check"):
        decode(damaged(chunk))
    with pytest.raises(CodecError, match="codec 77, which this version does not know"):
        decode(chunk._replace(head=chunk.head._replace(codec=77)))
    for head in (
        chunk.head._replace(rows=3599),
        chunk.head._replace(rows=0),
        chunk.head._replace(t1=HOUR),
        chunk.head._replace(hour=HOUR - HOUR_MS),
    ):
        with pytest.raises(CodecError, match="damaged"):
            decode(chunk._replace(head=head))
    with pytest.raises(CodecError, match="not the one its name says"):
        verified(chunk._replace(head=chunk.head._replace(gen=b"\0" * 16)))


@given(st.binary(max_size=80), st.sampled_from([DECIMAL, DOUBLE, TABLE]), st.booleans())
def test_any_bytes_are_read_or_refused(data: bytes, codec: int, packed: bool) -> None:
    chunk = encode(probe_hour(HOUR)[:5])
    chunk = chunk._replace(head=chunk.head._replace(codec=codec))
    # Whatever else it raised would fail this test.
    with suppress(CodecError):
        decode(repacked(chunk, zstd.compress(data) if packed else data))


@given(hours(), st.integers(0, 10**6), st.integers(1, 255))
def test_a_changed_byte_of_the_body_never_escapes(
    samples: list[Sample], place: int, change: int
) -> None:
    chunk = encode(samples)
    body = bytearray(zstd.decompress(chunk.data))
    body[place % len(body)] ^= change
    try:
        found = verified(repacked(chunk, zstd.compress(bytes(body))))
    except CodecError:
        return
    # Some bytes can be written in two ways; then the content is the same.
    assert same_bits(found, samples)


def test_cut_and_lengthened_blobs_are_refused() -> None:
    chunk = encode(probe_hour(HOUR))
    for data in (chunk.data[:-3], chunk.data + b"x", b"", zstd.compress(b"")):
        with pytest.raises(CodecError, match="damaged"):
            decode(repacked(chunk, data))


@given(st.lists(st.one_of(st.integers(-70, 70), st.integers(-(2**54), 2**54)), max_size=200))
def test_columns_of_whole_numbers_come_back(values: list[int]) -> None:
    blob = Blob(pack_ints(values))
    assert unpack_ints(blob, len(values)) == values
    blob.end()


@given(st.lists(st.tuples(st.integers(1, 5000), st.sampled_from([None, "ok", "", "ä"]))))
def test_runs_of_labels_come_back(runs: list[tuple[int, str | None]]) -> None:
    count = sum(length for length, _ in runs)
    blob = Blob(pack_labels(runs, "ok"))
    found = unpack_labels(blob, count, "ok")
    blob.end()
    assert [label for length, label in found for _ in range(length)] == [
        label for length, label in runs for _ in range(length)
    ]


def golden_samples(vector: dict[str, Any]) -> list[Sample]:
    return [
        Sample(vector["series"], t, None if value is None else float.fromhex(value), *rest)
        for t, value, *rest in vector["samples"]
    ]


@pytest.mark.parametrize("vector", GOLDEN, ids=lambda vector: vector["name"])
def test_chunks_written_by_the_first_version_are_read_for_ever(vector: dict[str, Any]) -> None:
    samples = golden_samples(vector)
    fields = dict(vector["head"]) | {"gen": bytes.fromhex(vector["head"]["gen"])}
    for name in ("low", "high", "total"):
        fields[name] = None if fields[name] is None else float.fromhex(fields[name])
    chunk = Chunk(ChunkHead(**fields), bytes.fromhex(vector["data"]))
    assert same_bits(verified(chunk), samples)
    now = encode(samples)
    # zstd may pack differently one day; what it packs and the name of it may not change.
    assert zstd.decompress(now.data).hex() == vector["body"]
    assert now.head._replace(crc=chunk.head.crc) == chunk.head


def test_the_layout_is_the_one_described() -> None:
    parts = [
        "04 d00f 01 02",  # four bytes of times: 1000, then -1 and +1 more than before
        "00",  # nothing is null
        "01 05 9003",  # one decimal, steps of 0.5, the first value is 20.0
        "03 02 00 01",  # three bytes of steps: +1, 0, -1
        "02 03" + b"ok".hex() + "08" + b"bad:crc".hex(),  # two qualities
        "02 03 00 01 01",  # two runs: three of the first, one of the second
        "00",  # no batch
    ]
    body = bytes.fromhex(" ".join(parts))
    data = zstd.compress(body)
    head = ChunkHead("s", 0, b"", DECIMAL, 4, 3, 5, 3004, 20.0, 20.5, 61.0, 0)
    columns = decode(repacked(Chunk(head, data), data))
    samples = samples_of("s", columns)
    assert samples == [
        Sample("s", 5, 20.0, "ok", None),
        Sample("s", 1005, 20.5, "ok", None),
        Sample("s", 2004, 20.5, "ok", None),
        Sample("s", 3004, 20.0, "bad:crc", None),
    ]
    assert zstd.decompress(encode(samples).data) == body
    assert encode(samples).head.gen == generation(columns)
