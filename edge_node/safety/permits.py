"""PURE: the reasons why an output may be on; it is on only while every one of them holds.

Each is one function of the case at hand, True if it holds. `min_on` is the exception: it tells
whether the output may go off.
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final

from edge_node.safety.power_budget import Shares
from edge_node.safety.process_value import Judged
from edge_node.safety.rules import KettleRules, OutputRules, Wish
from edge_node.safety.timers import OutputTimer

Authority = str | None
"""Who may command: "lease", "override", "hold" (without a lease, for a while), or nobody."""


HEAT: Final = frozenset({"heater", "contactor"})


@dataclass(frozen=True, slots=True)
class Case:
    """One output at one moment.

    `heated` are its own kettle and those that it heats through a coil, each with what its probes
    say. `latches` are those of all these, and of every kettle behind the same contactor. `on` are
    the outputs decided on so far in this tick. `held_ms` is how long its kettle has been without
    authority.
    """

    now: int
    output: OutputRules
    heated: tuple[tuple[KettleRules, Judged], ...]
    wish: Wish | None
    authority: Authority
    held_ms: int | None
    latches: AbstractSet[str]
    stop_pressed: bool | None
    interlocks: Mapping[str, bool | None]
    timer: OutputTimer
    on: AbstractSet[str]
    shares: Shares

    @property
    def heats(self) -> bool:
        """Whether latches concern it: a heater, or the contactor in series with one."""
        return self.output.kind in HEAT

    @property
    def regulates(self) -> bool:
        """Whether it makes a temperature, and is blind without one."""
        return self.output.kind in {"heater", "cooler"}


def stop(case: Case) -> bool:
    """The stop input is not pressed, and was not since it was last cleared; everything obeys it."""
    return case.stop_pressed is False and "stop_pressed" not in case.latches


def safe(case: Case) -> bool:
    """Nobody called for safe; heat obeys it."""
    return not (case.heats and "safe" in case.latches)


def latched(case: Case) -> bool:
    """No trip is latched; heat obeys it, pumps and coolers go on."""
    return not (case.heats and case.latches - {"safe", "stop_pressed"})


def barred(case: Case) -> bool:
    """Whether a latch or the stop keeps it off, so that a person has to look first."""
    return not (stop(case) and safe(case) and latched(case))


def lease(case: Case) -> bool:
    """Somebody may command: the lease's holder, a person's override, or a hold's controller."""
    return case.authority is not None


def hold_expired(case: Case) -> bool:
    """A hold is not longer than its output allows."""
    hold = case.output.on_lease_loss
    if case.authority != "hold":
        return True
    return hold is not None and case.held_ms is not None and case.held_ms <= hold.max_ms


def process_value(case: Case) -> bool:
    """There is something to regulate by, in each kettle that it heats."""
    return not case.regulates or all(judged.process is not None for _, judged in case.heated)


def disagreement(case: Case) -> bool:
    """In no kettle that it heats do own probe and reference contradict each other."""
    return not case.regulates or not any(judged.disagree for _, judged in case.heated)


def high_limit(case: Case) -> bool:
    """In no kettle that it heats has a value that is not bad reached the limit."""
    if case.output.kind != "heater":
        return True
    return all(
        value < kettle.high_limit for kettle, judged in case.heated for value in judged.values
    )


def interlock(case: Case) -> bool:
    """Each interlock is known to be closed."""
    return all(case.interlocks.get(name) is True for name in case.output.interlocks)


def max_on(case: Case) -> bool:
    """The command has not run out, and a person's command for heat has an end."""
    wish = case.wish
    if wish is None:
        return True
    ends = [] if wish.until_ms is None else [wish.until_ms]
    if wish.source == "command" and case.output.max_on_ms is not None:
        ends.append(wish.given_ms + case.output.max_on_ms)
    if not ends:
        return wish.source == "controller" or case.output.kind != "heater"
    return case.now < min(ends)


def max_on_hour(case: Case) -> bool:
    """It has not had its time of the last hour."""
    limit = case.output.max_on_per_hour_ms
    return limit is None or case.timer.on_ms_last_hour() < limit


def min_off(case: Case) -> bool:
    """It has been off for long enough, or is on."""
    return case.timer.power > 0 or case.timer.for_ms(case.now) >= case.output.min_off_ms


def requires(case: Case) -> bool:
    """What must be on is on, decided in this tick."""
    return all(name in case.on for name in case.output.needs)


def mutex(case: Case) -> bool:
    """No other output of its mutex is on."""
    return case.shares.mutex_free(case.output)


def power_budget(case: Case) -> bool:
    """Its breaker can carry it."""
    return case.shares.fits(case.output)


def min_on(case: Case) -> bool:
    """A cooler that is on has been so for long enough to go off because somebody wishes it.

    Only a wish waits for a compressor: any other permit that is missing, a stop and a latch (a call
    for safe, too) switch it off at once.
    """
    return (
        case.output.kind != "cooler"
        or case.timer.power <= 0
        or case.timer.for_ms(case.now) >= case.output.min_on_ms
        or bool(case.latches)
    )


Permit = Callable[[Case], bool]

PERMITS: Final[Mapping[str, Permit]] = {
    permit.__name__: permit
    for permit in (
        stop,
        safe,
        latched,
        lease,
        hold_expired,
        process_value,
        disagreement,
        high_limit,
        interlock,
        max_on,
        max_on_hour,
        min_off,
        requires,
        mutex,
        power_budget,
    )
}
"""In the order in which the first that fails is named."""


def first_missing(case: Case) -> str | None:
    """The name of the first permit that does not hold, or None if it may be on."""
    return next((name for name, holds in PERMITS.items() if not holds(case)), None)


def elsewhere(case: Case, missing: str) -> str | None:
    """The kettle that this missing permit is about, where that is not the output's own."""
    for one in case.heated:
        if not PERMITS[missing](replace(case, heated=(one,))):
            return one[0].kettle_id if one is not case.heated[0] else None
    return None
