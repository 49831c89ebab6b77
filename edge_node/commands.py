"""PURE: in which order a command is judged, and what an order for an output or controller means.

The order is: 412 `wrong_boot`, 403 `not_leader`, 410 `expired`, the stored answer of the same
`cmd_id`, 409 `stale_seq` (these are the lease's), then 423 `safety_latched`, then 422
`out_of_range`. Whatever is answered after the lease admitted a command is stored for its
duplicates, refusals too: a retry must not be obeyed where the first try was not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from edge_node.lease import Refused, Replay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edge_node.config_outputs import ActuatorConfig, ControllerConfig

FULL: Final = 100.0
MODES: Final = ("off", "auto", "manual")
AUTOTUNE: Final = ("start", "stop", "apply")

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Header:
    """Who commands, under which leadership, as which of its commands, and until when it is good."""

    server_id: str
    session: str
    epoch: int
    boot_id: str
    seq: int
    not_after: int
    cmd_id: str


@dataclass(frozen=True, slots=True)
class OutputOrder:
    """What an output is to be: percent, and for how long at most (None: it is to be off)."""

    power: float
    for_ms: int | None


@dataclass(frozen=True, slots=True)
class ControllerOrder:
    """What a controller is to do: `mode` or `autotune`, with what belongs to it."""

    mode: str | None
    setpoint: float | None
    power: float | None
    autotune: str | None

    @property
    def heats(self) -> bool:
        """Whether it may switch something on."""
        return self.mode in {"auto", "manual"} or self.autotune == "start"


def judge(
    admitted: Refused | Replay | None,
    checks: Iterable[Callable[[], Refused | None]],
    act: Callable[[], Answer],
    remember: Callable[[Answer | Refused], None],
) -> Answer | Refused:
    """Carry out what was `admitted` and passes every check, in their order; once only."""
    if isinstance(admitted, Refused):
        return admitted
    if isinstance(admitted, Replay):
        stored: Answer | Refused = admitted.answer
        return stored
    answer: Answer | Refused | None = None
    for check in checks:
        answer = check()
        if answer is not None:
            break
    else:
        answer = act()
    assert answer is not None
    remember(answer)
    return answer


def out_of_range(field: str, why: str) -> Refused:
    """A value that this output or controller cannot take."""
    return Refused(422, "out_of_range", {"field": field, "reason": why})


def latched(on: bool, names: Iterable[str]) -> Refused | None:
    """423 for what would switch something on while a latch is set."""
    standing = sorted(names)
    if not on or not standing:
        return None
    return Refused(423, "safety_latched", {"reason": standing[0], "latches": standing})


def switches_on(state: bool | None, power: float | None) -> bool:
    """Whether a body's `state` or `power` asks for anything but off."""
    return state is True or (power is not None and power != 0)


def read_output(
    output: ActuatorConfig, *, state: bool | None, power: float | None, max_on_s: float | None
) -> OutputOrder | Refused:
    """What the body of a command says, held against the output's limits; never clamped."""
    if output.kind == "contactor":
        return out_of_range(
            "state", f"{output.id} is a contactor: the node itself opens it when something trips"
        )
    wanted = (FULL if state else 0.0) if power is None else power
    if not 0 <= wanted <= FULL:
        return out_of_range("power", "must be 0 to 100 percent")
    if output.control == "switch" and wanted not in {0.0, FULL}:
        return out_of_range("power", f"{output.id} is a switch: 0 or 100")
    if wanted == 0:
        return OutputOrder(0.0, None)
    longest = output.max_on_ms / 1000
    if max_on_s is None or not 0 < max_on_s <= longest:
        return out_of_range("max_on_s", f"must be above 0 and at most {longest:g} s")
    return OutputOrder(wanted, round(max_on_s * 1000))


def read_controller(
    controller: ControllerConfig,
    *,
    standing: float | None,
    tunable: bool,
    tuned: bool,
    order: ControllerOrder,
) -> Refused | None:
    """Hold an order against the controller's limits; `standing` is the setpoint it has."""
    low, high = controller.range
    setpoint = standing if order.setpoint is None else order.setpoint
    if order.setpoint is not None and not low <= order.setpoint <= high:
        return out_of_range("setpoint", f"must be {low:g} to {high:g} °C")
    if order.power is not None and not 0 <= order.power <= FULL:
        return out_of_range("power", "must be 0 to 100 percent")
    if order.power is not None and order.mode != "manual":
        return out_of_range("power", "belongs to the mode manual")
    if order.mode == "manual" and order.power is None:
        return out_of_range("power", "the mode manual needs a power")
    if order.mode == "manual" and controller.heater is None:
        return out_of_range("mode", f"{controller.id} only cools: there is nothing to set by hand")
    if (order.mode == "auto" or order.autotune == "start") and setpoint is None:
        return out_of_range("setpoint", "is needed: this controller has none yet")
    if order.autotune is not None and not tunable:
        return out_of_range("autotune", f"a {controller.kind} controller has no gains to find")
    if order.autotune == "apply" and not tuned:
        return out_of_range("autotune", "there is no result to apply: start a run and let it end")
    return None
