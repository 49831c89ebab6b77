"""What triggers remember: nothing unknown is a change, every known change is told once."""

from hypothesis import given
from hypothesis import strategies as st

from custom_components.smart_beer.trigger_memory import ChangeMemory, LimitWatch, ThingsMemory

THINGS = st.frozensets(st.sampled_from("abc"))
NOWS = st.lists(st.dictionaries(st.sampled_from(["n1", "n2"]), THINGS | st.none()))


def test_the_first_thing_known_of_a_node_is_no_news() -> None:
    memory = ThingsMemory()
    assert memory.look({"n1": None}) == ([], [])
    assert memory.look({"n1": frozenset("a")}) == ([], [])
    assert memory.look({"n1": frozenset("ab")}) == ([("n1", "b")], [])
    assert memory.look({"n1": frozenset("b")}) == ([], [("n1", "a")])


def test_what_is_not_known_for_a_while_is_compared_with_what_was() -> None:
    memory = ThingsMemory()
    memory.look({"n1": frozenset("a")})
    assert memory.look({"n1": None}) == ([], [])
    assert memory.all == frozenset("a")
    assert memory.look({"n1": frozenset("b")}) == ([("n1", "b")], [("n1", "a")])


def test_a_node_that_was_removed_begins_anew() -> None:
    memory = ThingsMemory()
    memory.look({"n1": frozenset("a")})
    assert memory.look({}) == ([], [])
    assert memory.all == frozenset()
    assert memory.look({"n1": frozenset("ab")}) == ([], [])


@given(NOWS)
def test_what_came_and_went_adds_up_to_what_is_shown(
    looks: list[dict[str, frozenset[str] | None]],
) -> None:
    memory = ThingsMemory()
    kept: dict[str, set[str]] = {}
    for now in looks:
        came, gone = memory.look(now)
        kept = {node: kept[node] for node in kept.keys() & now.keys()}
        for node, thing in came:
            assert thing not in kept[node]
            kept[node].add(thing)
        for node, thing in gone:
            kept[node].remove(thing)
        for node, things in now.items():
            if things is not None:
                assert kept.setdefault(node, set(things)) == things


def test_a_change_needs_two_known_sides() -> None:
    memory = ChangeMemory()
    said = [memory.look(now) for now in (None, True, None, True, False, None, False, True)]
    assert said == [None, None, None, None, False, None, None, True]


def watch(*, for_s: float = 0.0) -> LimitWatch:
    return LimitWatch(limit=66.0, above=True, hysteresis=0.2, for_s=for_s)


def told(found: LimitWatch, *looks: tuple[float, float | None]) -> list[float]:
    """When it fires, of looks at `(now, value)`."""
    return [now for now, value in looks if found.look(value, now)]


def test_a_limit_is_crossed_once_until_the_value_came_back_by_the_hysteresis() -> None:
    looks = [(0, 65.0), (1, 66.1), (2, 65.9), (3, 66.3), (4, 65.8), (5, 66.1)]
    assert told(watch(), *looks) == [1, 5]


def test_what_is_beyond_at_first_has_not_crossed() -> None:
    assert told(watch(), (0, 70.0), (1, 71.0), (2, 65.0), (3, 70.0)) == [3]


def test_just_at_the_limit_is_not_beyond_it() -> None:
    assert told(watch(), (0, 65.0), (1, 66.0)) == []


def test_below_is_the_mirror_image() -> None:
    found = LimitWatch(limit=18.0, above=False, hysteresis=0.2)
    assert told(found, (0, 19.0), (1, 17.9), (2, 18.1), (3, 17.0), (4, 18.3), (5, 17.0)) == [1, 5]


def test_it_must_stay_beyond_for_as_long_as_was_asked() -> None:
    found = watch(for_s=60)
    assert told(found, (0, 65.0), (10, 66.5), (40, 65.0), (50, 66.5), (100, 66.5)) == []
    assert found.due == 110
    assert told(found, (109, 65.9), (110, 66.5), (200, 66.5)) == [110]
    assert found.due is None


def test_an_unknown_value_ends_the_wait_and_never_fires() -> None:
    found = watch(for_s=60)
    assert told(found, (0, 65.0), (10, 66.5), (69, None), (70, None), (80, 66.5), (139, 66.5)) == []
    assert told(found, (140, 66.5)) == [140]


def test_a_crossing_while_the_value_was_unknown_is_told_when_it_is_known_again() -> None:
    assert told(watch(), (0, 65.0), (1, None), (2, 67.0), (3, None), (4, 67.0)) == [2]


VALUES = st.lists(st.floats(60, 72) | st.none(), max_size=60)


@given(VALUES, st.integers(0, 5), st.booleans())
def test_between_two_crossings_the_value_has_always_been_within(
    values: list[float | None], for_s: int, above: bool
) -> None:
    found = LimitWatch(limit=66.0, above=above, hysteresis=0.2, for_s=for_s)
    was_within = False
    beyond_since: int | None = None
    for now, value in enumerate(values):
        over = None if value is None else (value - 66.0 if above else 66.0 - value)
        if over is None or over <= -0.2:
            beyond_since = None
        elif over > 0 and beyond_since is None:
            beyond_since = now
        if found.look(value, now):
            assert was_within, "it was never within since it last fired"
            assert beyond_since is not None
            assert now - beyond_since >= for_s
            was_within = False
        if over is not None and over <= -0.2:
            was_within = True
