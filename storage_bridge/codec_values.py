"""The values of a chunk, in the one of three ways that gives them back bit by bit. Pure."""

import math
from collections.abc import Sequence
from itertools import accumulate, repeat
from operator import eq, mul, sub, truediv

from .codec_columns import (
    Blob,
    pack_doubles,
    pack_ints,
    pack_sint,
    pack_uint,
    unpack_doubles,
    unpack_ints,
)

DECIMAL = 1
DOUBLE = 2
TABLE = 3
CODECS = (DECIMAL, DOUBLE, TABLE)
_MAX_DECIMALS = 9
_MAX_EXACT = 2**53  # whole numbers up to here are exact as doubles
_GLANCE = 16  # values looked at before all are
_REPEATS = 4  # a table pays when its values come this often


def pack_values(values: Sequence[float]) -> tuple[int, bytes]:
    """The codec chosen and the column: decimals, else a table of few doubles, else doubles."""
    # Neither whole numbers nor a table tell -0.0 from 0.0.
    if not any(value == 0 and math.copysign(1, value) < 0 for value in values):
        whole = _whole(values)
        if whole is not None:
            return DECIMAL, _pack_decimal(*whole) if values else b""
        table = sorted(set(values))
        if len(table) * _REPEATS <= len(values):
            return TABLE, _pack_table(values, table)
    return DOUBLE, pack_doubles(values)


def unpack_values(codec: int, blob: Blob, count: int) -> list[float]:
    """The `count` values of such a column; raises ValueError, OverflowError."""
    if codec == DOUBLE:
        return _finite(unpack_doubles(blob, count))
    if count == 0:
        return []
    if codec == TABLE:
        table = _finite(unpack_doubles(blob, blob.uint()))
        first = blob.uint()
        places = list(accumulate(unpack_ints(blob, count - 1), initial=first))
        if min(places) < 0 or max(places) >= len(table):
            raise ValueError("a value in it is not in its table")
        return [table[place] for place in places]
    decimals = blob.take(1)[0]
    if decimals > _MAX_DECIMALS:
        raise ValueError("its values have too many decimals")
    scale, step, first = 10**decimals, blob.uint(), blob.sint()
    steps = accumulate(unpack_ints(blob, count - 1), initial=0)
    return [(first + step * place) / scale for place in steps]


def _pack_decimal(decimals: int, whole: Sequence[int]) -> bytes:
    deltas = _differences(whole)
    step = math.gcd(*deltas) or 1  # 625 for the sixteenths of a degree of a 12-bit probe
    head = bytes([decimals]) + pack_uint(step) + pack_sint(whole[0])
    return head + pack_ints([delta // step for delta in deltas])


def _pack_table(values: Sequence[float], table: Sequence[float]) -> bytes:
    # A calibrated probe: its steps survive as neighbours in the table.
    place_of = {value: place for place, value in enumerate(table)}
    places = [place_of[value] for value in values]
    column = pack_ints(_differences(places))
    return pack_uint(len(table)) + pack_doubles(table) + pack_uint(places[0]) + column


def _whole(values: Sequence[float]) -> tuple[int, list[int]] | None:
    """The fewest decimals that give every value back, and the values as so many of the last.

    None when nine do not.
    """
    largest = max(map(abs, values), default=0)
    for decimals in range(_MAX_DECIMALS + 1):
        scale = 10**decimals
        if largest * scale >= _MAX_EXACT:
            return None
        if any(round(value * scale) / scale != value for value in values[:_GLANCE]):
            continue
        whole = list(map(round, map(mul, values, repeat(scale))))
        if all(map(eq, map(truediv, whole, repeat(scale)), values, strict=False)):
            return decimals, whole
    return None


def _differences(column: Sequence[int]) -> list[int]:
    return list(map(sub, column[1:], column, strict=False))


def _finite(values: list[float]) -> list[float]:
    if not all(map(math.isfinite, values)):
        raise ValueError("a value in it is not a finite number")
    return values
