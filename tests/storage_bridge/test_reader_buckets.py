"""Buckets of a chart: usual widths, extremes and gaps kept."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_bridge.model import HOUR_MS, MINUTE_MS, Sample
from storage_bridge.reader_buckets import of_samples, points_of, width_for
from storage_bridge.tiers.base import Bucket

from .generated import HOUR, SERIES
from .reading import slow_points

DAY = 24 * HOUR_MS


@given(st.integers(0, 10**12), st.integers(1, 10**12), st.integers(1, 10_000))
def test_a_width_never_takes_more_buckets_than_asked(start: int, length: int, points: int) -> None:
    width = width_for(start, start + length, points)
    assert (start + length - 1) // width - start // width + 1 <= points
    assert HOUR_MS % width == 0 or width % HOUR_MS == 0


@pytest.mark.parametrize(
    ("length", "points", "width"),
    [
        (10_000, 1000, 1000),
        (HOUR_MS, 1000, 5000),
        (DAY, 1000, 120_000),
        (30 * DAY, 1000, HOUR_MS),
        (365 * DAY, 1000, 12 * HOUR_MS),
        (3650 * DAY, 1000, 4 * DAY),
    ],
)
def test_widths_are_the_usual_ones(length: int, points: int, width: int) -> None:
    start = HOUR // (4 * DAY) * 4 * DAY
    assert width_for(start, start + length, points) == width


@given(
    st.lists(
        st.tuples(
            st.integers(0, 200_000),
            st.one_of(st.none(), st.floats(-1e6, 1e6)),
            st.sampled_from(["ok", "bad:crc", "suspect:outlier"]),
        ),
        unique_by=lambda row: row[0],
    ),
    st.sampled_from([1000, 5000, 30_000, MINUTE_MS]),
)
def test_points_are_those_of_the_plain_way(
    rows: list[tuple[int, float | None, str]], width: int
) -> None:
    samples = [Sample(SERIES, t, value, quality, None) for t, value, quality in sorted(rows)]
    parts = of_samples(samples, 0, 240_000, 1000)
    random.Random(len(rows)).shuffle(parts)
    found = points_of(parts, width)
    assert found == slow_points(samples, 0, 240_000, width)
    assert len({point[0] for point in found}) == len(found)


def test_a_mean_stays_between_its_extremes() -> None:
    samples = [Sample(SERIES, i, 1.7e308, "ok", None) for i in range(9)]
    assert points_of(of_samples(samples, 0, 1000, 1000), 1000) == [[0, 1.7e308, 1.7e308, 1.7e308]]
    parts = [Bucket(0, 1, 1, 0.1, 0.1, 0.1, 0, 0)] * 3
    assert points_of(parts, 1000) == [[0, 0.1, 0.1, 0.1]]
