"""When a state is worth writing."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from custom_components.smart_beer.deadband import REST_S, Deadband


def test_the_first_word_is_always_written() -> None:
    assert Deadband(step=0.1).passes(None, "x", 0.0)


def test_a_move_by_the_step_is_written_at_once_and_a_smaller_one_is_not() -> None:
    band = Deadband(step=0.1)
    assert band.passes(65.0, "ok", 0.0)
    assert not band.passes(65.05, "ok", 1.0)
    assert band.passes(65.1, "ok", 2.0)
    assert not band.passes(65.05, "ok", 3.0)
    assert band.passes(65.0, "ok", 4.0)


def test_what_is_shown_beside_the_value_is_written_when_it_changes() -> None:
    band = Deadband(step=0.1)
    assert band.passes(65.0, "ok", 0.0)
    assert band.passes(65.0, "suspect:frozen", 0.1)
    assert not band.passes(65.0, "suspect:frozen", 0.2)


def test_a_value_that_comes_or_goes_is_written() -> None:
    band = Deadband(step=100.0)
    assert band.passes(65.0, "ok", 0.0)
    assert band.passes(None, "ok", 0.1)
    assert not band.passes(None, "ok", 100.0)
    assert band.passes(65.0, "ok", 100.1)


def test_a_small_move_is_written_when_nothing_was_for_a_while() -> None:
    band = Deadband(step=0.1)
    assert band.passes(65.0, "ok", 0.0)
    assert not band.passes(65.03, "ok", REST_S - 1)
    assert band.passes(65.03, "ok", REST_S)
    assert not band.passes(65.03, "ok", 10 * REST_S)


@given(st.lists(st.floats(60, 70), min_size=1, max_size=200))
def test_what_is_shown_is_never_off_by_the_step_or_more(values: list[float]) -> None:
    band, shown = Deadband(step=0.1), None
    for second, value in enumerate(values):
        if band.passes(value, "ok", float(second)):
            shown = value
        assert shown is not None
        assert abs(shown - value) < 0.1


@given(st.lists(st.floats(64.96, 65.04), min_size=60, max_size=120))
def test_noise_below_the_step_is_written_at_most_once_in_a_rest(values: list[float]) -> None:
    band = Deadband(step=0.1)
    written = [second for second, value in enumerate(values) if band.passes(value, "ok", second)]
    assert all(later - before >= REST_S for before, later in pairwise(written))
