"""Which kettles a batch is in, by the newest samples: what is said no more keeps none running."""

from hypothesis import given
from hypothesis import strategies as st

from storage_bridge.batch_changes import AWAY_MS, carrying
from storage_bridge.model import Last
from storage_bridge.records.model import BatchSeries

T = 1_790_000_000_000
KETTLES = {"a": "mash-tun", "b": "mash-tun", "c": "fermenter"}

type Newest = dict[str, tuple[int, str | None]]


def carried(newest: Newest) -> set[str]:
    """The kettles that batch B is in."""
    known = [BatchSeries("B", name, KETTLES[name[0]], T, None) for name in newest]
    last = {name: Last(T + t, 1.0, "ok", batch, "s", 1) for name, (t, batch) in newest.items()}
    return carrying("B", known, last)


newest_of_all = st.dictionaries(
    st.builds("{}/{}".format, st.sampled_from("abc"), st.sampled_from("xyz")),
    st.tuples(st.integers(0, 3 * AWAY_MS), st.sampled_from(["B", "C", None])),
)


def test_an_output_that_is_sampled_once_a_minute_does_not_outlast_the_probes() -> None:
    assert carried({"a/probe": (59_000, "B"), "a/heater": (1_000, "B")}) == {"mash-tun"}
    assert carried({"a/probe": (60_000, None), "a/heater": (1_000, "B")}) == set()
    assert carried({"a/probe": (60_000, "C"), "a/setpoint": (1_000, "B")}) == set()
    assert carried({"a/probe": (1_000, "C"), "a/heater": (60_000, "B")}) == {"mash-tun"}


def test_a_node_that_was_not_told_yet_keeps_it_running_and_one_that_is_away_does_not() -> None:
    over = 10 * AWAY_MS
    assert carried({"a/probe": (over, None), "b/probe": (over - 1000, "B")}) == {"mash-tun"}
    assert carried({"a/probe": (over, None), "b/probe": (over - AWAY_MS, "B")}) == set()
    assert carried({"a/probe": (over, "B"), "b/probe": (over - AWAY_MS, None)}) == {"mash-tun"}


def test_a_kettle_says_nothing_of_another() -> None:
    assert carried({"a/probe": (10 * AWAY_MS, None), "c/probe": (0, "B")}) == {"fermenter"}


def test_a_series_without_a_newest_sample_says_nothing() -> None:
    assert carrying("B", [BatchSeries("B", "a/x", "mash-tun", T, None)], {}) == set()


@given(newest_of_all)
def test_a_kettle_has_the_batch_only_if_a_node_of_it_says_so_and_surely_if_its_newest_does(
    newest: Newest,
) -> None:
    found = carried(newest)
    for kettle in KETTLES.values():
        said = [one for name, one in newest.items() if KETTLES[name[0]] == kettle]
        if not any(batch == "B" for _, batch in said):
            assert kettle not in found
        elif {batch for t, batch in said if t == max(t for t, _ in said)} == {"B"}:
            assert kettle in found


@given(newest_of_all, st.sampled_from("abc"), st.sampled_from(["B", None]))
def test_what_a_node_said_before_its_newest_changes_nothing(
    newest: Newest, node: str, batch: str | None
) -> None:
    times = [t for name, (t, _) in newest.items() if name[0] == node]
    if times:
        assert carried({**newest, f"{node}/silent": (max(times) - 1, batch)}) == carried(newest)
