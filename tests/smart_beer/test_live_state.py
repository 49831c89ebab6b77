"""The live state: announced, polled and answered, in whatever order they arrive."""

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.smart_beer.actuator_models import ActuatorState
from custom_components.smart_beer.live_state import LiveState
from custom_components.smart_beer.models import NodeState

if TYPE_CHECKING:
    from collections.abc import Sequence


def whole(pump: bool, stop: bool | None = False, **more: Any) -> dict[str, Any]:
    return {
        "channels": {"t": {"t": 1, "value": 20.0, "quality": "ok"}},
        "health": {},
        "actuators": {"pump": shown(pump)},
        "stop": stop,
        **more,
    }


def shown(on: bool) -> dict[str, Any]:
    return {"desired": on, "actual": on, "limited_by": None}


def pump_of(live: LiveState) -> bool:
    assert live.state is not None
    return live.state.actuators["pump"].actual > 0


def test_before_the_first_state_nothing_is_known() -> None:
    live = LiveState()
    assert live.state is None
    assert not live.change({"stop": True})
    live.answered(live.mark(), actuators={"pump": ActuatorState(100, 100, None)}, controllers={})
    assert live.state is None


def test_an_announced_change_outlives_an_older_poll() -> None:
    live = LiveState()
    live.take(NodeState.parse(whole(False)), live.mark())
    mark = live.mark()
    live.change({"actuators": {"pump": shown(True)}})
    live.take(NodeState.parse(whole(False, stop=True)), mark)
    assert pump_of(live)
    assert live.state is not None
    assert live.state.stop is True, "what no change has touched is taken"
    live.take(NodeState.parse(whole(False)), live.mark())
    assert not pump_of(live), "a poll that was asked for afterwards is the truth"


def test_an_answer_counts_unless_the_node_has_announced_something_since() -> None:
    live = LiveState()
    live.take(NodeState.parse(whole(False)), live.mark())
    on = {"pump": ActuatorState(100, 100, None)}
    live.answered(live.mark(), actuators=on, controllers={})
    assert pump_of(live)
    mark = live.mark()
    live.change({"actuators": {"pump": shown(False)}})
    live.answered(mark, actuators=on, controllers={})
    assert not pump_of(live)


@pytest.mark.parametrize(
    ("change", "urgent"),
    [
        ({"actuators": {"pump": shown(True)}}, True),
        ({"latches": []}, True),
        ({"alarms": []}, True),
        ({"controllers": {}}, False),
        ({"controllers": {}, "health": {}}, False),
        ({"controllers": {}, "stop": None}, True),
        ({"channels": {"u": {"t": 2, "value": 1.0, "quality": "ok"}}}, False),
    ],
)
def test_what_changes_all_the_time_is_not_urgent(change: dict[str, Any], urgent: bool) -> None:
    live = LiveState()
    live.take(NodeState.parse(whole(False)), live.mark())
    assert live.change(change) is urgent
    assert live.state is not None
    assert "t" in live.state.channels


def test_a_malformed_change_is_refused_and_changes_nothing() -> None:
    live = LiveState()
    live.take(NodeState.parse(whole(True)), live.mark())
    with pytest.raises(ValueError, match="does not say what it is"):
        live.change({"actuators": {"pump": {"desired": True}}})
    assert pump_of(live)


@given(st.lists(st.sampled_from(["flip", "ask", "hear", "reply"]), max_size=40))
def test_once_everything_is_heard_the_node_is_seen_as_it_is(steps: Sequence[str]) -> None:
    """The node flips its pump; what it announces and what it replies overtake each other."""
    live = LiveState()
    live.take(NodeState.parse(whole(False)), live.mark())
    now = False
    announced: list[bool] = []
    asked: list[tuple[int, bool]] = []
    for step in steps:
        if step == "flip":
            now = not now
            announced.append(now)
        elif step == "ask":
            asked.append((live.mark(), now))
        elif step == "hear" and announced:
            live.change({"actuators": {"pump": shown(announced.pop(0))}})
        elif step == "reply" and asked:
            mark, then = asked.pop(0)
            live.take(NodeState.parse(whole(then)), mark)
    for mark, then in asked:
        live.take(NodeState.parse(whole(then)), mark)
    for pump in announced:
        live.change({"actuators": {"pump": shown(pump)}})
    assert pump_of(live) is now
