from hypothesis import given
from hypothesis import strategies as st

from edge_node.guard.pulse import Pulse

WINDOW = 2000


def run(pulse: Pulse, texts: list[str], start: int = 0) -> list[bool]:
    return [pulse.step(start + 100 * n, text) for n, text in enumerate(texts)]


def test_a_growing_heartbeat_gives_pulses() -> None:
    assert run(Pulse(WINDOW), ["a 1", "a 2", "a 2", "a 3", "a 3"]) == [
        False,
        True,
        False,
        True,
        False,
    ]


def test_a_heartbeat_that_stands_still_gives_them_for_the_window_only() -> None:
    pulse = Pulse(WINDOW)
    levels = run(pulse, ["a 1", "a 2", *["a 2"] * 40])
    assert levels[1:22] == [True, False] * 10 + [True]
    assert not any(levels[22:])
    assert run(pulse, ["a 3"], 9000) == [True]


def test_what_a_dead_node_left_behind_is_no_heartbeat() -> None:
    assert not any(run(Pulse(WINDOW), ["a 17"] * 30))


def test_a_new_node_needs_two_beats_of_its_own() -> None:
    assert run(Pulse(WINDOW), ["a 17", "b 1", "b 1", "b 2"]) == [False, False, False, True]


def test_a_number_that_falls_or_repeats_is_no_heartbeat() -> None:
    assert not any(run(Pulse(WINDOW), ["a 9", "a 8", "a 7", "a 7", "a 3"]))


@given(st.lists(st.one_of(st.text(max_size=20), st.sampled_from(["", "a", "a x", "a -1", "a ²"]))))
def test_rubbish_is_no_heartbeat(texts: list[str]) -> None:
    junk = [text for text in texts if not text.strip().partition(" ")[2].isdigit() or "²" in text]
    assert not any(run(Pulse(WINDOW), junk))


@given(
    st.lists(st.tuples(st.integers(1, 3000), st.booleans()), max_size=80),
    st.sampled_from([500, 2000]),
)
def test_never_high_later_than_the_window_after_the_last_beat(
    looks: list[tuple[int, bool]], window: int
) -> None:
    pulse, now, count, last = Pulse(window), 0, 1, None
    pulse.step(0, "a 1")
    levels = [False]
    for step, beat in looks:
        now += step
        if beat:
            count, last = count + 1, now
        levels.append(pulse.step(now, f"a {count}"))
        alive = last is not None and now - last <= window
        assert levels[-1] is (alive and not levels[-2])
