from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge_node.spool_stamp import Stamping, boot_offsets, guessed, second_of, stamp

UTC = 1_800_000_000_000


@given(offset=st.integers(UTC, UTC + 10**9), steps=st.integers(0, 5000), ticks=st.integers(2, 50))
def test_ticks_a_second_apart_get_seconds_of_their_own(offset: int, steps: int, ticks: int) -> None:
    stamps = [
        stamp(mono, offset, periodic=True, steps_back=steps)
        for mono in range(1000, 1000 * (ticks + 1), 1000)
    ]
    assert [b - a for a, b in pairwise(stamps)] == [1000] * (ticks - 1)
    assert {t % 1000 for t in stamps} == {steps % 1000}
    assert abs(stamps[0] - steps % 1000 - (1000 + offset)) <= 500


@given(utc=st.integers(UTC, UTC + 10**6), a=st.integers(0, 998))
def test_a_second_that_comes_again_after_a_backward_step_is_another_stamp(utc: int, a: int) -> None:
    assert second_of(utc, a) != second_of(utc, a + 1)


def test_a_change_of_state_keeps_its_millisecond() -> None:
    assert stamp(1234, UTC, periodic=False, steps_back=7) == UTC + 1234


spans = st.lists(st.integers(0, 10**8), max_size=5)


@given(lengths=spans, running=st.integers(0, 10**8))
def test_ended_boots_are_guessed_in_order_and_before_the_running_one(
    lengths: list[int], running: int
) -> None:
    boots = [(f"boot-{n}", length) for n, length in enumerate(lengths)]
    offsets = boot_offsets([*boots, ("now", running)], Stamping("now", UTC, 0))
    assert offsets["now"] == UTC
    begin = UTC
    for boot, newest in reversed(boots):
        assert offsets[boot] + newest < begin
        begin = offsets[boot]


def test_a_guess_makes_a_good_sample_suspect_and_leaves_a_bad_one_bad() -> None:
    assert guessed("ok") == "suspect:clock"
    assert guessed("suspect:outlier") == "suspect:clock"
    assert guessed("bad:crc") == "bad:crc"
