"""Hours of samples as small blobs, and back. Pure.

The blob (zstd around it) holds columns and nothing that says which hour it is:

    times    differences of differences of t from the head's t0, zigzag varints, first one plain
    nulls    lengths of runs, with and without a value in turn, starting with; 0 runs: none is null
    values   codec 1: decimals (u8), step, first, differences / step  ->  (first + step * k) / 10^d
             codec 2: doubles
             codec 3: a table of doubles, the place in it of the first, then differences of places
    quality  runs of texts, 0 when all are `ok`
    batch    runs of texts, 0 when all are null

What a chart needs stands beside the blob, in the head.
"""

import hashlib
import math
import struct
import sys
import zlib
from compression import zstd
from itertools import accumulate, chain, repeat
from operator import lt, sub
from typing import TYPE_CHECKING, NamedTuple, cast

from .bulk import samples_from
from .codec_columns import (
    Blob,
    Run,
    pack_ints,
    pack_labels,
    pack_uint,
    runs_of,
    unpack_ints,
    unpack_labels,
)
from .codec_values import CODECS, pack_values, unpack_values
from .model import BAD_PREFIX, HOUR_MS, OK, Sample, hour_of, is_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MAX_BODY = 128 * 2**20  # a chunk of 3.6 million samples, one each millisecond, stays below
_LEVEL = 9
_NULL = 0x7FF8_0000_0000_0000  # the bits of a NaN, which is never a value


class CodecError(ValueError):
    """A chunk cannot be read, or samples are no chunk; the text names series and hour."""


class ChunkHead(NamedTuple):
    """What is known of a chunk without decoding it.

    `gen` (16 bytes) names its content, `rows` counts samples, `n` those that are numbers, over
    which `low`, `high` and `total` go (None, None, 0.0 when `n` is 0); `t0`, `t1` (ms) are the
    first and last time, `crc` is the CRC-32 of the blob.
    """

    series: str
    hour: int
    gen: bytes
    codec: int
    rows: int
    n: int
    t0: int
    t1: int
    low: float | None
    high: float | None
    total: float
    crc: int


class Chunk(NamedTuple):
    """Samples of one series and hour, encoded."""

    head: ChunkHead
    data: bytes


class Columns(NamedTuple):
    """A decoded chunk; times rise, labels come as runs `(length, label)`."""

    times: list[int]
    values: list[float | None]
    quality: list[Run[str | None]]
    batch: list[Run[str | None]]


def encode(samples: Sequence[Sample]) -> Chunk:
    """Encode samples of one series and one hour, given by rising `t`; raises CodecError."""
    if not samples:
        raise CodecError("A chunk needs at least one sample.")
    series, t0 = samples[0].series, samples[0].t
    hour = hour_of(t0)
    where = _where(series, hour)
    columns = columns_of(samples)
    times, values = columns.times, columns.values
    if any(sample[0] != series for sample in samples):
        raise CodecError(f"A chunk holds one series; samples of another came with {where}.")
    if not all(map(lt, times, times[1:], strict=False)):
        raise CodecError(f"Samples of {where} are not in order, or two have one time.")
    if t0 < 0 or times[-1] >= hour + HOUR_MS:
        raise CodecError(f"Samples of {where} lie outside that hour.")
    if not all(math.isfinite(value) for value in values if value is not None):
        raise CodecError(f"A value of {where} is not a finite number.")
    codec, body = _pack(columns)
    data = zstd.compress(body, level=_LEVEL)
    numbers = [number for number in numbers_of(columns) if number is not None]
    head = ChunkHead(
        series=series,
        hour=hour,
        gen=generation(columns),
        codec=codec,
        rows=len(times),
        n=len(numbers),
        t0=t0,
        t1=times[-1],
        low=min(numbers, default=None),
        high=max(numbers, default=None),
        total=total_of(numbers),
        crc=zlib.crc32(data),
    )
    return Chunk(head, data)


def decode(chunk: Chunk) -> Columns:
    """The columns of a chunk, checked against its head and CRC; raises CodecError."""
    head, data = chunk
    where = _where(head.series, head.hour)
    if head.codec not in CODECS:
        raise CodecError(
            f"The archived chunk of {where} has codec {head.codec}, which this version "
            "does not know; read it with a newer one."
        )
    if zlib.crc32(data) != head.crc:
        raise CodecError(f"The archived chunk of {where} is damaged: its checksum differs.")
    try:
        columns = _unpack(head, _decompress(data))
    except (ValueError, OverflowError, ZeroDivisionError, zstd.ZstdError) as error:
        raise CodecError(f"The archived chunk of {where} is damaged: {error}.") from error
    if columns.times[-1] != head.t1 or columns.times[-1] >= head.hour + HOUR_MS:
        raise CodecError(f"The archived chunk of {where} is damaged: its times are not its own.")
    return columns


def verified(chunk: Chunk) -> list[Sample]:
    """The samples of a chunk, its content proven to be what `gen` names; raises CodecError."""
    return samples_of(chunk.head.series, proven(chunk))


def proven(chunk: Chunk) -> Columns:
    """The columns of a chunk, their content proven to be what `gen` names; raises CodecError."""
    columns = decode(chunk)
    if generation(columns) != chunk.head.gen:
        where = _where(chunk.head.series, chunk.head.hour)
        raise CodecError(f"The archived chunk of {where} is not the one its name says.")
    return columns


def columns_of(samples: Sequence[Sample]) -> Columns:
    """Samples by rising `t` as columns."""
    if not samples:
        return Columns([], [], [], [])
    _, times, values, quality, batch = zip(*samples, strict=True)
    return Columns(list(times), list(values), runs_of(quality), runs_of(batch))


def samples_of(series: str, columns: Columns) -> list[Sample]:
    """The columns as samples of that series."""
    quality = cast("Iterator[str]", _spread(columns.quality))  # a quality is never null
    return samples_from(
        repeat(series), columns.times, columns.values, quality, _spread(columns.batch)
    )


def numbers_of(columns: Columns) -> list[float | None]:
    """The values by `model.is_number`: None where a reading is not one."""
    if not any((label or "").startswith(BAD_PREFIX) for _, label in columns.quality):
        return columns.values
    pairs = zip(columns.values, _spread(columns.quality), strict=True)
    return [value if is_number(value, label or "") else None for value, label in pairs]


def total_of(numbers: Sequence[float]) -> float:
    """The sum of finite numbers, rounded once; the largest double where it would not fit."""
    try:
        return math.fsum(numbers)
    except OverflowError:
        mean = math.fsum(number / len(numbers) for number in numbers)
        limit = sys.float_info.max
        return max(-limit, min(limit, mean * len(numbers)))


def generation(columns: Columns) -> bytes:
    """The name of a content: 16 bytes of SHA-256 over the decoded samples.

    Not over compressed bytes, which may differ between zstd versions: whoever archives the same
    samples writes the same row.
    """
    count = len(columns.times)
    digest = hashlib.sha256(b"smart-beer samples 1\0")
    digest.update(struct.pack(f"<I{count}q", count, *columns.times))
    if None in columns.values:
        null = struct.pack("<Q", _NULL)
        for value in columns.values:
            digest.update(null if value is None else struct.pack("<d", value))
    else:
        digest.update(struct.pack(f"<{count}d", *columns.values))
    for runs in (columns.quality, columns.batch):
        digest.update(struct.pack("<I", len(runs)))
        for length, label in runs:
            text = b"" if label is None else label.encode()
            size = 0xFFFF_FFFF if label is None else len(text)
            digest.update(struct.pack("<II", length, size) + text)
    return digest.digest()[:16]


def _pack(columns: Columns) -> tuple[int, bytes]:
    deltas = list(map(sub, columns.times[1:], columns.times, strict=False))
    out = [pack_ints(deltas[:1] + list(map(sub, deltas[1:], deltas, strict=False)))]
    values = [value for value in columns.values if value is not None]
    if len(values) == len(columns.values):
        out.append(b"\0")
    else:
        runs = runs_of(value is None for value in columns.values)
        lengths = [0] * runs[0][1] + [length for length, _ in runs]
        out += [pack_uint(len(lengths)), *map(pack_uint, lengths)]
    codec, packed = pack_values(values)
    out.append(packed)
    out += [pack_labels(columns.quality, OK), pack_labels(columns.batch, None)]
    return codec, b"".join(out)


def _unpack(head: ChunkHead, body: bytes) -> Columns:
    blob = Blob(body)
    if head.rows < 1:
        raise ValueError("it claims to hold nothing")
    deltas = list(accumulate(unpack_ints(blob, head.rows - 1)))
    if deltas and min(deltas) <= 0:
        raise ValueError("its times do not rise")
    times = list(accumulate(deltas, initial=head.t0))
    lengths = [blob.uint() for _ in range(blob.uint())]
    with_value, total = sum(lengths[::2]), sum(lengths)
    if lengths and total != head.rows:
        raise ValueError("the runs of nulls are not as long as the chunk")
    numbers = unpack_values(head.codec, blob, with_value if lengths else head.rows)
    values: list[float | None] = list(numbers)
    if lengths:
        source = iter(numbers)
        values = []
        for place, length in enumerate(lengths):
            values += repeat(None, length) if place % 2 else (next(source) for _ in range(length))
    quality = unpack_labels(blob, head.rows, OK)
    if any(label is None for _, label in quality):
        raise ValueError("a quality in it is null")
    batch = unpack_labels(blob, head.rows, None)
    blob.end()
    return Columns(times, values, quality, batch)


def _decompress(data: bytes) -> bytes:
    unpacker = zstd.ZstdDecompressor()
    body = unpacker.decompress(data, max_length=_MAX_BODY)
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("its compressed form does not end where it should")
    return body


def _spread(runs: Sequence[Run[str | None]]) -> Iterator[str | None]:
    return chain.from_iterable(repeat(label, length) for length, label in runs)


def _where(series: str, hour: int) -> str:
    return f"{series!r} in the hour {hour}"
