"""Columns of samples at once are what they are one by one."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from storage_bridge.bulk import problem_of, samples_from
from storage_bridge.model import T_MAX, Sample, problem

_texts = st.sampled_from(["ok", "n/t", "b1", "bad:crc", "", "\0", "x" * 256, "\ud800", "°C"])
_anything = _texts | st.none() | st.booleans() | st.integers() | st.floats() | st.just([1])
_good = st.builds(
    Sample,
    st.sampled_from(["n/t", "n/u"]),
    st.integers(0, T_MAX - 1),
    st.none() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["ok", "bad:crc", "suspect:clock"]),
    st.sampled_from([None, "b1"]),
)
_any = st.builds(Sample, _anything, _anything, _anything, _anything, _anything)


def _first(samples: list[Any]) -> str | None:
    return next((text for text in map(problem, samples) if text is not None), None)


@given(st.lists(_good, max_size=8), st.lists(_any, max_size=2), st.lists(_good, max_size=3))
def test_the_first_that_cannot_be_stored_is_told_of(
    before: list[Sample], doubtful: list[Sample], after: list[Sample]
) -> None:
    rows = [*before, *doubtful, *after]
    assert problem_of(rows) == _first(rows)


@given(st.lists(_good, min_size=1, max_size=8))
def test_samples_are_made_of_columns(rows: list[Sample]) -> None:
    made = samples_from(*zip(*rows, strict=True))
    assert made == rows
    assert {type(row) for row in made} == {Sample}
    assert made[0].series == rows[0].series
