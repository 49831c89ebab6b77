"""Spans against plain sets of numbers."""

from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from storage_bridge import coverage

if TYPE_CHECKING:
    from storage_bridge.coverage import Span

_SPAN = st.tuples(st.integers(1, 60), st.integers(0, 12)).map(lambda p: (p[0], p[0] + p[1]))
_SPANS = st.lists(_SPAN, max_size=12)


def _numbers(spans: list[Span]) -> set[int]:
    return {number for low, high in spans for number in range(low, high + 1)}


def _normal(spans: list[Span]) -> bool:
    return all(low <= high for low, high in spans) and all(
        before[1] + 1 < after[0] for before, after in pairwise(spans)
    )


@given(_SPANS)
def test_union_holds_the_same_numbers_in_normal_form(spans: list[Span]) -> None:
    merged = coverage.union(spans)
    assert _normal(merged)
    assert _numbers(merged) == _numbers(spans)
    assert coverage.size(merged) == len(_numbers(spans))


@given(_SPANS, _SPAN)
def test_add_is_union_with_one_more(spans: list[Span], new: Span) -> None:
    merged = coverage.union(spans)
    assert coverage.add(merged, new) == coverage.union([*merged, new])


@given(_SPANS, _SPANS)
def test_subtract_is_set_difference(whole: list[Span], cut: list[Span]) -> None:
    left = coverage.subtract(coverage.union(whole), coverage.union(cut))
    assert _normal(left)
    assert _numbers(left) == _numbers(whole) - _numbers(cut)


@given(st.lists(st.integers(1, 50), max_size=30))
def test_runs_hold_exactly_the_numbers_given(numbers: list[int]) -> None:
    rising = sorted(numbers)
    spans = coverage.runs(rising)
    assert _normal(spans)
    assert _numbers(spans) == set(numbers)


@given(_SPANS)
def test_contiguous_end_is_the_number_before_the_first_missing_one(spans: list[Span]) -> None:
    end = coverage.contiguous_end(coverage.union(spans))
    present = _numbers(spans)
    assert set(range(1, end + 1)) <= present
    assert end + 1 not in present


def test_text_says_how_many_spans_it_leaves_out() -> None:
    assert coverage.text([(7, 7), (9, 12)]) == "7, 9-12"
    assert coverage.text([(n * 3, n * 3) for n in range(1, 9)]) == "3, 6, 9, 12, 15 and 3 more"
