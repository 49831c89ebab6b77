"""Rates and counts, with time passed in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_node.api.limits import RATES, TokenBuckets, WrongTokens

GAPS = st.lists(st.floats(0, 3, allow_nan=False), min_size=1, max_size=200)


def test_default_rate_is_twenty_a_second_with_a_burst_of_twenty() -> None:
    assert RATES["default"] == (20.0, 20)


@given(gaps=GAPS)
def test_no_stretch_of_time_passes_more_than_burst_plus_rate(gaps: list[float]) -> None:
    buckets = TokenBuckets(20.0, 20)
    now, passed = 1000.0, []
    for gap in gaps:
        now += gap / 20
        if buckets.take("key", now) == 0:
            passed.append(now)
    for i, first in enumerate(passed):
        for j in range(i, len(passed)):
            assert j - i + 1 <= 20 + (passed[j] - first) * 20 + 1e-6


@given(gaps=GAPS)
def test_whoever_waits_as_told_gets_through(gaps: list[float]) -> None:
    buckets = TokenBuckets(20.0, 20)
    now = 0.0
    for gap in gaps:
        now += gap / 100
        wait = buckets.take("key", now)
        if wait:
            assert wait <= 1 / 20
            now += wait + 1e-9
            assert buckets.take("key", now) == 0


def test_a_client_at_or_under_the_rate_is_never_refused() -> None:
    buckets = TokenBuckets(20.0, 20)
    assert all(buckets.take("key", second / 20) == 0 for second in range(2000))


def test_one_key_does_not_use_up_anothers_bucket() -> None:
    buckets = TokenBuckets(20.0, 20)
    while buckets.take("loud", 0.0) == 0:
        pass
    assert buckets.take("quiet", 0.0) == 0


def test_a_clock_that_stands_still_or_steps_back_gives_nothing_away() -> None:
    buckets = TokenBuckets(20.0, 20)
    assert sum(buckets.take("key", 50.0 - step) == 0 for step in range(40)) == 20


@given(keys=st.lists(st.integers(0, 10_000), max_size=500))
def test_memory_of_buckets_is_bounded(keys: list[int]) -> None:
    buckets = TokenBuckets(20.0, 20, max_keys=16)
    for key in keys:
        buckets.take(key, 0.0)
        assert len(buckets) <= 16


def test_five_wrong_tokens_a_minute_are_merely_wrong_and_the_sixth_waits() -> None:
    wrong = WrongTokens()
    assert [wrong.refuse("10.0.0.1", float(i)) for i in range(5)] == [0.0] * 5
    assert wrong.refuse("10.0.0.1", 5.0) > 0
    assert wrong.refuse("10.0.0.2", 5.0) == 0


@given(tries=st.integers(6, 60))
def test_the_wait_grows_with_every_try_up_to_its_cap(tries: int) -> None:
    wrong = WrongTokens()
    waits = [wrong.refuse("a", 0.0) for _ in range(tries)][5:]
    assert waits == sorted(waits)
    assert waits[0] == WrongTokens.FIRST_WAIT_S
    assert waits[-1] <= WrongTokens.MAX_WAIT_S


@given(gaps=st.lists(st.floats(0, 700), max_size=100))
def test_no_minute_tells_more_than_five_times_that_a_token_is_wrong(gaps: list[float]) -> None:
    wrong = WrongTokens()
    now, told = 0.0, []
    for gap in gaps:
        now += gap
        if wrong.refuse("a", now) == 0:
            told.append(now)
    for start in told:
        assert sum(start <= moment < start + 60 for moment in told) <= 5


def test_after_the_wait_a_quiet_address_starts_afresh() -> None:
    wrong = WrongTokens()
    for _ in range(6):
        wait = wrong.refuse("a", 0.0)
    later = wait + WrongTokens.MAX_WAIT_S + 1
    assert [wrong.refuse("a", later) for _ in range(5)] == [0.0] * 5
    assert wrong.refuse("a", later) == WrongTokens.FIRST_WAIT_S


@given(addresses=st.lists(st.integers(0, 10_000), max_size=500))
def test_memory_of_wrong_tokens_is_bounded(addresses: list[int]) -> None:
    wrong = WrongTokens(max_addresses=16)
    for address in addresses:
        wrong.refuse(str(address), 0.0)
        assert len(wrong) <= 16
