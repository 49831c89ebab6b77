"""The histogram of latencies."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from storage_bridge.outbox_latency import bucket, summary, upper


@given(st.floats(1, 86_400_000))
def test_a_bucket_is_at_most_five_percent_above_its_latency(ms: float) -> None:
    assert ms * 0.999 <= upper(bucket(ms)) <= ms * 1.0501


@given(st.floats(-1e9, 1))
def test_a_clock_ahead_counts_as_no_latency(ms: float) -> None:
    assert bucket(ms) == 0


@given(st.lists(st.integers(1, 100_000), min_size=1, max_size=200))
def test_quantiles_are_those_of_the_sorted_list_within_a_bucket(values: list[int]) -> None:
    shown = summary(Counter(bucket(ms) for ms in values))
    ranked = sorted(values)
    for key, part in (("p50", 50), ("p95", 95), ("max", 100)):
        true = ranked[-(-len(values) * part // 100) - 1]
        assert true * 0.99 - 0.1 <= float(shown[key] or 0) <= true * 1.06 + 0.1
    assert shown["n"] == len(values)


def test_without_a_count_there_is_no_figure() -> None:
    assert summary({}) == {"p50": None, "p95": None, "max": None, "n": 0}
