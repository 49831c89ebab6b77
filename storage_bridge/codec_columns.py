"""Columns of a chunk as bytes: zigzag varints, runs of labels, doubles. Pure; no limits of size."""

import re
import struct
from array import array
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A value of -64..63 is one byte; such columns, the usual case, are translated in one piece.
_ZIGZAG = bytes((v << 1) if v < 64 else (((256 - v) << 1) - 1) & 0x7F for v in range(256))
_UNZIGZAG = bytes((z >> 1) if z % 2 == 0 else 255 - (z >> 1) for z in range(256))
_PIECES = re.compile(rb"[\x00-\x7f]+|[\x80-\xff]+[\x00-\x7f]")
_MAX_VARINT = 10

type Run[T] = tuple[int, T]


class Blob:
    """Reads fields one after the other; raises ValueError where the bytes do not fit."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        piece = self._data[self._at : self._at + size]
        if len(piece) != size:
            raise ValueError("it ends too early")
        self._at += size
        return piece

    def uint(self) -> int:
        """The next varint."""
        value = 0
        for shift in range(0, 7 * _MAX_VARINT, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ValueError("a number in it is too long")

    def sint(self) -> int:
        """The next zigzag varint."""
        return _unzigzag(self.uint())

    def end(self) -> None:
        """Raise ValueError unless all was read."""
        if self._at != len(self._data):
            raise ValueError("bytes are left over")


def pack_uint(value: int) -> bytes:
    """A number >= 0 as a varint: seven bits a byte, lowest first, top bit set but on the last."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def pack_sint(value: int) -> bytes:
    """A number of either sign as a zigzag varint: 0, -1, 1, -2 ... become 0, 1, 2, 3 ..."""
    return pack_uint(value << 1 if value >= 0 else (-value << 1) - 1)


def pack_ints(values: Sequence[int]) -> bytes:
    """A column of zigzag varints, led by its size in bytes."""
    if not values:
        return b"\0"
    if min(values) >= -64 and max(values) <= 63:
        column = array("b", values).tobytes().translate(_ZIGZAG)
    else:
        column = b"".join(map(pack_sint, values))
    return pack_uint(len(column)) + column


def unpack_ints(blob: Blob, count: int) -> list[int]:
    """The `count` values of such a column; raises ValueError."""
    column = blob.take(blob.uint())
    values: list[int] = []
    if column.isascii():
        values = array("b", column.translate(_UNZIGZAG)).tolist()
    else:
        size = 0
        for piece in _PIECES.findall(column):
            size += len(piece)
            if piece[0] < 0x80:
                values += array("b", piece.translate(_UNZIGZAG))
            else:
                values.append(Blob(piece).sint())
        if size != len(column):
            raise ValueError("a number in it does not end")
    if len(values) != count:
        raise ValueError("a column has not as many values as it should")
    return values


def pack_doubles(values: Sequence[float]) -> bytes:
    """A column of doubles, byte by byte: all first bytes, all second bytes, ... (packs better)."""
    raw = struct.pack(f"<{len(values)}d", *values)
    return b"".join(raw[place::8] for place in range(8))


def unpack_doubles(blob: Blob, count: int) -> list[float]:
    """The `count` values of such a column; raises ValueError."""
    planes = blob.take(8 * count)
    raw = bytearray(8 * count)
    for place in range(8):
        raw[place::8] = planes[place * count : (place + 1) * count]
    return list(struct.unpack(f"<{count}d", raw))


def runs_of[T](labels: Iterable[T]) -> list[Run[T]]:
    """Equal neighbours counted: `[(length, label), ...]`."""
    column = list(labels)
    if column and column.count(column[0]) == len(column):
        return [(len(column), column[0])]
    return [(sum(1 for _ in group), label) for label, group in groupby(column)]


def pack_labels(runs: Sequence[Run[str | None]], usual: str | None) -> bytes:
    """Runs of texts with a table of the texts; one byte when all of them are the usual one."""
    if all(label == usual for _, label in runs):
        return b"\0"
    table = list(dict.fromkeys(label for _, label in runs))
    out = [pack_uint(len(table))]
    for label in table:
        text = b"" if label is None else label.encode()
        out += [b"\0" if label is None else pack_uint(len(text) + 1), text]
    out.append(pack_uint(len(runs)))
    for length, label in runs:
        out += [pack_uint(length), pack_uint(table.index(label))]
    return b"".join(out)


def unpack_labels(blob: Blob, count: int, usual: str | None) -> list[Run[str | None]]:
    """The runs, `count` labels in all; raises ValueError."""
    table: list[str | None] = []
    for _ in range(blob.uint()):
        size = blob.uint()
        table.append(None if size == 0 else blob.take(size - 1).decode())
    if not table:
        return [(count, usual)]
    runs: list[Run[str | None]] = []
    for _ in range(blob.uint()):
        length, index = blob.uint(), blob.uint()
        if length == 0 or index >= len(table):
            raise ValueError("a run of labels is no run")
        runs.append((length, table[index]))
    if sum(length for length, _ in runs) != count:
        raise ValueError("the runs of labels are not as long as the chunk")
    return runs


def _unzigzag(value: int) -> int:
    return value >> 1 if value % 2 == 0 else -(value >> 1) - 1
