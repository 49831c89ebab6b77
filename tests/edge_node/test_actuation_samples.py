from hypothesis import given
from hypothesis import strategies as st

from edge_node.actuation_samples import PERIOD_MS, Recorder, Sampled


def test_on_and_off_are_recorded_with_their_own_millisecond() -> None:
    recorder = Recorder()
    assert recorder.step(1003, {"h": 0.0}) == [Sampled("h", 1003, 0.0, periodic=False)]
    assert recorder.step(1100, {"h": 100.0}) == [Sampled("h", 1100, 100.0, periodic=False)]
    assert recorder.step(1101, {"h": 0.0}) == [Sampled("h", 1101, 0.0, periodic=False)]
    assert recorder.step(1600, {"h": 0.0}) == []


def test_a_moving_power_is_recorded_once_a_second_and_only_if_it_moved() -> None:
    recorder = Recorder()
    recorder.step(0, {"h": 40.0})
    assert recorder.step(500, {"h": 60.0}) == []
    assert recorder.step(1000, {"h": 60.0}) == [Sampled("h", 1000, 60.0, periodic=False)]
    assert recorder.step(3000, {"h": 60.5}) == []


def test_every_value_comes_once_a_minute() -> None:
    recorder = Recorder()
    recorder.step(0, {"h": 0.0})
    assert recorder.step(PERIOD_MS - 1, {"h": 0.0}) == []
    assert recorder.step(PERIOD_MS, {"h": 0.0}) == [Sampled("h", PERIOD_MS, 0.0, periodic=True)]


def test_a_setpoint_nobody_wants_is_not_recorded_and_comes_back_at_once() -> None:
    recorder = Recorder()
    recorder.step(0, {"s": 66.0})
    assert recorder.step(500, {"s": None}) == []
    assert recorder.step(600, {"s": 66.0}) == [Sampled("s", 600, 66.0, periodic=False)]


@given(st.lists(st.tuples(st.integers(1, 5000), st.floats(0, 100)), min_size=1, max_size=60))
def test_the_last_sample_is_never_far_from_the_truth(steps: list[tuple[int, float]]) -> None:
    recorder, now, last = Recorder(), 0, -1.0
    recorded_at = 0
    for passed, value in steps:
        now += passed
        for sample in recorder.step(now, {"h": value}):
            last, recorded_at = sample.value, now
        assert (last > 0) == (value > 0)
        assert abs(last - value) < 1 or now - recorded_at < 1000
        assert now - recorded_at < PERIOD_MS
