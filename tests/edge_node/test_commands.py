from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.commands import (
    ControllerOrder,
    OutputOrder,
    judge,
    latched,
    read_controller,
    read_output,
    switches_on,
)
from edge_node.config_outputs import ActuatorConfig, ControllerConfig, actuator, controller
from edge_node.lease import Refused, Replay


def output(**more: Any) -> ActuatorConfig:
    item = {"id": "h", "kettle": "k", "kind": "heater", "control": "power", "driver": "gpio"}
    return actuator(Path("x"), {**item, "pin": 1, "max_on_s": 600.0, **more})


def loop(**more: Any) -> ControllerConfig:
    item = {"id": "c", "kettle": "k", "kind": "pid", "heater": "h", "range": (10.0, 80.0)}
    return controller({**item, **more})


class Seen:
    """Notes what happens to a command."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.stored: Any = None

    def act(self) -> dict[str, Any]:
        self.events.append("act")
        return {"actual": 1}

    def check(self, name: str, refused: Refused | None = None) -> Any:
        def check() -> Refused | None:
            self.events.append(name)
            return refused

        return check

    def remember(self, answer: Any) -> None:
        self.stored = answer


LATCHED = Refused(423, "safety_latched", {})
RANGE = Refused(422, "out_of_range", {})


def test_what_the_lease_refuses_is_neither_checked_nor_stored() -> None:
    seen, refused = Seen(), Refused(412, "wrong_boot", {})
    assert judge(refused, [seen.check("latch")], seen.act, seen.remember) is refused
    assert seen.events == []
    assert seen.stored is None


def test_a_replay_is_answered_as_before_and_nothing_is_done() -> None:
    seen = Seen()
    assert judge(Replay({"actual": 7}), [seen.check("l")], seen.act, seen.remember) == {"actual": 7}
    assert judge(Replay(LATCHED), [seen.check("l")], seen.act, seen.remember) is LATCHED
    assert seen.events == []
    assert seen.stored is None


def test_the_checks_come_in_order_before_the_act_and_the_answer_is_stored() -> None:
    seen = Seen()
    checks = [seen.check("latch"), seen.check("range")]
    assert judge(None, checks, seen.act, seen.remember) == {"actual": 1}
    assert seen.events == ["latch", "range", "act"]
    assert seen.stored == {"actual": 1}


def test_the_first_refusal_counts_and_is_stored_for_duplicates() -> None:
    seen = Seen()
    checks = [seen.check("latch", LATCHED), seen.check("range", RANGE)]
    assert judge(None, checks, seen.act, seen.remember) is LATCHED
    assert seen.events == ["latch"]
    assert seen.stored is LATCHED


def test_latches_bar_on_and_never_off() -> None:
    assert latched(False, ["safe"]) is None
    assert latched(True, []) is None
    refused = latched(True, ["stuck_relay", "safe"])
    assert refused is not None
    assert (refused.status, refused.detail["reason"]) == (423, "safe")


@given(
    state=st.none() | st.booleans(),
    power=st.none() | st.floats(allow_nan=True, allow_infinity=True),
    seconds=st.none() | st.floats(-10, 10_000),
    control=st.sampled_from(["switch", "power"]),
)
def test_no_order_is_beyond_its_output_and_none_is_clamped(
    state: bool | None, power: float | None, seconds: float | None, control: str
) -> None:
    order = read_output(output(control=control), state=state, power=power, max_on_s=seconds)
    asked = power if power is not None else (100.0 if state else 0.0)
    if isinstance(order, Refused):
        assert order.code == "out_of_range"
        return
    assert order.power == asked
    assert 0 <= order.power <= 100
    assert control == "power" or order.power in {0, 100}
    if order.power > 0:
        assert seconds is not None
        assert order.for_ms is not None
        assert 0 <= order.for_ms <= 600_000
    else:
        assert order.for_ms is None


def test_off_needs_no_time_and_on_needs_one_within_the_limit() -> None:
    assert read_output(output(), state=False, power=None, max_on_s=None) == OutputOrder(0, None)
    assert read_output(output(), state=True, power=None, max_on_s=600) == OutputOrder(100, 600_000)
    for seconds in (None, 0, 600.1):
        order = read_output(output(), state=True, power=None, max_on_s=seconds)
        assert isinstance(order, Refused)


def test_nobody_commands_a_contactor() -> None:
    order = read_output(output(kind="contactor"), state=False, power=None, max_on_s=None)
    assert isinstance(order, Refused)


def test_what_counts_as_switching_on() -> None:
    assert switches_on(True, None)
    assert switches_on(None, 0.1)
    assert switches_on(None, -5)  # refused later, but not as an off
    assert not switches_on(False, None)
    assert not switches_on(None, 0)


def order(**more: Any) -> ControllerOrder:
    return ControllerOrder(
        **{"mode": None, "setpoint": None, "power": None, "autotune": None} | more
    )


@pytest.mark.parametrize(
    ("given", "standing", "field"),
    [
        ({"mode": "auto"}, None, "setpoint"),
        ({"mode": "auto", "setpoint": 80.1}, None, "setpoint"),
        ({"mode": "off", "setpoint": 9}, None, "setpoint"),
        ({"mode": "manual"}, None, "power"),
        ({"mode": "manual", "power": 101}, None, "power"),
        ({"mode": "auto", "power": 50}, 60, "power"),
        ({"autotune": "start"}, None, "setpoint"),
        ({"autotune": "apply"}, 60, "autotune"),
    ],
)
def test_controller_orders_out_of_range_name_the_field(
    given: dict[str, Any], standing: float | None, field: str
) -> None:
    refused = read_controller(
        loop(), standing=standing, tunable=True, tuned=False, order=order(**given)
    )
    assert refused is not None
    assert refused.detail["field"] == field


@pytest.mark.parametrize(
    "given",
    [
        {"mode": "off"},
        {"mode": "auto"},
        {"mode": "auto", "setpoint": 66},
        {"mode": "manual", "power": 40},
        {"autotune": "start"},
        {"autotune": "stop"},
        {"autotune": "apply"},
    ],
)
def test_good_controller_orders_pass(given: dict[str, Any]) -> None:
    assert (
        read_controller(loop(), standing=60, tunable=True, tuned=True, order=order(**given)) is None
    )


def test_only_what_heats_is_barred_by_a_latch() -> None:
    assert order(mode="auto").heats
    assert order(autotune="start").heats
    assert not order(mode="off").heats
    assert not order(autotune="apply").heats
