from hypothesis import given
from hypothesis import strategies as st

from edge_node.hardware.outputs.debounce import Debounce, Hold

LOOKS = st.lists(
    st.tuples(st.integers(1, 100), st.sampled_from([True, False, None])), min_size=1, max_size=60
)


def test_a_bouncing_contact_counts_once_it_is_still() -> None:
    contact = Debounce(60)
    looks = [(0, True), (20, False), (40, True), (60, True), (80, False), (100, True)]
    assert [contact.step(now, raw) for now, raw in looks] == [None] * 6
    assert contact.step(159, True) is None
    assert contact.step(160, True) is True
    assert contact.step(170, False) is True
    assert contact.step(230, False) is False


def test_a_contact_that_cannot_be_read_is_unknown_at_once() -> None:
    contact = Debounce(60)
    contact.step(0, True)
    assert contact.step(60, True) is True
    assert contact.step(70, None) is None
    assert contact.step(80, True) is None


@given(LOOKS)
def test_a_state_was_the_same_for_the_whole_time_before(
    looks: list[tuple[int, bool | None]],
) -> None:
    contact = Debounce(60)
    now = 0
    seen: list[tuple[int, bool | None]] = []
    before = None
    for step, raw in looks:
        now += step
        seen.append((now, raw))
        state = contact.step(now, raw)
        if state is not before and state is not None:
            since = next(t for t, r in reversed([(-1, None), *seen]) if r is not state)
            first = next(t for t, _ in seen if t > since)
            assert now - first >= 60
        if raw is None:
            assert state is None
        before = state


def test_a_button_counts_once_after_three_seconds() -> None:
    hold = Hold(3000)
    assert hold.step(0, False) is False
    assert hold.step(100, True) is False
    assert hold.step(3099, True) is False
    assert hold.step(3100, True) is True
    assert hold.step(9000, True) is False
    hold.step(9100, False)
    hold.step(9200, True)
    assert hold.step(12_200, True) is True


def test_a_button_let_go_too_soon_counts_for_nothing() -> None:
    hold = Hold(3000)
    hold.step(0, False)
    hold.step(100, True)
    hold.step(3000, False)
    hold.step(3050, True)
    assert hold.step(6000, True) is False
    hold.step(6010, None)
    assert hold.step(6050, True) is False
    assert hold.step(9049, True) is False


def test_a_button_that_is_stuck_from_the_start_counts_for_nothing() -> None:
    hold = Hold(3000)
    hold.step(0, None)
    assert not any(hold.step(now, True) for now in range(100, 60_000, 100))
