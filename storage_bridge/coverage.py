"""Arithmetic on sets of sequence numbers, kept as sorted, disjoint, inclusive spans.

A spool's numbers start at 1. Every function takes and returns spans in normal form: sorted,
non-empty, and with at least one missing number between two neighbours.
"""

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

type Span = tuple[int, int]


def runs(numbers: Sequence[int]) -> list[Span]:
    """Spans of numbers given in rising order; repeated ones count once."""
    if not numbers:
        return []
    if numbers[-1] - numbers[0] + 1 == len(numbers) == len(set(numbers)):
        return [(numbers[0], numbers[-1])]
    return union((number, number) for number in numbers)


def union(spans: Iterable[Span]) -> list[Span]:
    """Normal form of spans given in any order, overlapping or not."""
    merged: list[Span] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1] + 1:
            if high > merged[-1][1]:
                merged[-1] = (merged[-1][0], high)
        else:
            merged.append((low, high))
    return merged


def touching(spans: Sequence[Span], span: Span) -> slice:
    """Which of `spans` overlap `span` or are its neighbours, as a slice of them."""
    first = bisect_left(spans, span[0] - 1, key=lambda known: known[1])
    last = bisect_right(spans, span[1] + 1, key=lambda known: known[0])
    return slice(first, max(first, last))


def add(spans: Sequence[Span], new: Span) -> list[Span]:
    """`spans` together with `new`."""
    where = touching(spans, new)
    met = spans[where]
    low, high = (min(new[0], met[0][0]), max(new[1], met[-1][1])) if met else new
    return [*spans[: where.start], (low, high), *spans[where.stop :]]


def subtract(whole: Iterable[Span], spans: Sequence[Span]) -> list[Span]:
    """The numbers of `whole` (normal form) that are not in `spans`."""
    left: list[Span] = []
    for low, high in whole:
        start = low
        for index in range(bisect_left(spans, low, key=lambda span: span[1]), len(spans)):
            cut_low, cut_high = spans[index]
            if cut_low > high:
                break
            if cut_low > start:
                left.append((start, cut_low - 1))
            start = cut_high + 1
        if start <= high:
            left.append((start, high))
    return left


def size(spans: Iterable[Span]) -> int:
    """How many numbers the spans hold."""
    return sum(high - low + 1 for low, high in spans)


def contiguous_end(spans: Sequence[Span]) -> int:
    """The last number up to which nothing is missing, counted from 1; 0 when 1 is missing."""
    return spans[0][1] if spans and spans[0][0] <= 1 else 0


def text(spans: Sequence[Span], most: int = 5) -> str:
    """The spans for people, such as `7, 9-12 and 3 more`."""
    shown = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans[:most])
    return shown if len(spans) <= most else f"{shown} and {len(spans) - most} more"
