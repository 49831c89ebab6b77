"""How long to wait before trying again."""

from hypothesis import given
from hypothesis import strategies as st

from custom_components.smart_beer.backoff import Backoff


@given(st.integers(0, 2000))
def test_waits_double_up_to_the_cap_and_never_are_nothing(tries: int) -> None:
    backoff = Backoff(first=1.0, cap=60.0)
    for _ in range(tries):
        backoff.next()
    full = min(60.0, 2.0 ** min(tries, 6))
    assert full / 2 <= backoff.next() <= full


def test_reset_starts_again() -> None:
    backoff = Backoff(first=1.0, cap=60.0)
    for _ in range(10):
        backoff.next()
    backoff.reset()
    assert backoff.next() <= 1.0


@given(st.floats(0, 300))
def test_at_least_is_kept(at_least: float) -> None:
    assert Backoff().next(at_least=at_least) >= at_least
