"""PURE: joins permits and trips: what every output is to be now, and which permit says no.

Asked every half second and on each command. It never raises: what it does not understand is off.
Off is never delayed, but by a compressor's minimum on time, and that only against a wish.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Final

from edge_node.safety import trips
from edge_node.safety.authority import Authority
from edge_node.safety.latches import Latches
from edge_node.safety.permits import HEAT, Case, barred, elsewhere, first_missing, min_on
from edge_node.safety.plant import Plant
from edge_node.safety.power_budget import Shares
from edge_node.safety.process_value import Judged, ProcessJudge
from edge_node.safety.rules import (
    FULL,
    Decision,
    Inputs,
    KettleRules,
    OutputRules,
    Refused,
    Trip,
    Verdict,
    Wish,
)
from edge_node.safety.timers import OutputTimer

BACKWARDS_MS: Final = 1_000  # two threads may read the clock in one order and arrive in another


class Supervisor:
    """The supervisor of one node.

    `breakers` are watts by id. `latches` are those kept from before; None: they could not be read,
    so every kettle is latched. ValueError: rules that name what does not exist, or a circle.
    """

    def __init__(
        self,
        outputs: Iterable[OutputRules],
        kettles: Iterable[KettleRules],
        breakers: Mapping[str, float],
        latches: Iterable[Trip] | None = (),
    ) -> None:
        self._plant = Plant(outputs, kettles, breakers)
        ids = list(self._plant.kettles)
        self._latches = Latches(ids, latches)
        self._authority = {kettle_id: Authority() for kettle_id in ids}
        self._judges = {k: ProcessJudge(rules) for k, rules in self._plant.kettles.items()}
        self._watches = {
            k: trips.KettleWatch(rules, bool(self._plant.heaters[k]))
            for k, rules in self._plant.kettles.items()
        }
        for kettle_id, watch in self._watches.items():
            heated = {name for heater in self._plant.heaters[kettle_id] for name in heater.heats}
            watch.loads = tuple(self._watches[name] for name in sorted(heated))
        self._timers: dict[str, OutputTimer] = {}
        self._now: int | None = None

    @property
    def latches(self) -> frozenset[Trip]:
        """What must be on disk."""
        return self._latches.all()

    def latched(self, output_id: str) -> frozenset[str]:
        """The latches that keep an output off: of heat every one, of all else a pressed stop."""
        output = self._plant[output_id]
        names = self._latched(output)
        return names if output.kind in HEAT else names & {"stop_pressed"}

    def safe(self, kettle_id: str | None = None) -> tuple[Trip, ...]:
        """Somebody calls for safe: latch this kettle, or all if none or an unknown one is named.

        What is returned is new and to be kept on disk; tick at once, then say so.
        """
        kettles = [k for k in self._plant.kettles if k == kettle_id] or list(self._plant.kettles)
        text = "Safe was called for: all heat is off until the leader clears this."
        return self._trip((k, "safe", text) for k in kettles)

    def clear(self, kettle_id: str, latch: str, inputs: Inputs) -> Refused | None:
        """A person, through the leader, clears a latch whose cause is gone; keep `latches` then."""
        if not self._latches.has(kettle_id, latch):
            return None
        if latch == "stop_pressed" and inputs.stop_pressed is not False:
            return Refused("The stop input is still pressed, or its wire is broken.")
        if kettle_id in self._plant.kettles:
            try:
                reason = self._cause(kettle_id, latch, inputs)
            except Exception as err:  # noqa: BLE001  # what is not understood stays latched
                reason = f"Whether the cause is gone cannot be told: {type(err).__name__}: {err}."
            if reason is not None:
                return Refused(reason)
        self._latches.clear(kettle_id, latch)
        if kettle_id in self._plant.kettles and not self._latches.names(kettle_id):
            # Not before the last one: what has been seen is what the others are judged by.
            self._watches[kettle_id].restart()
        return None

    def tick(self, inputs: Inputs) -> Verdict:
        """What every output is to be at `inputs.now`."""
        if self._now is not None and inputs.now < self._now - BACKWARDS_MS:
            return self._all_off("lease")  # no lease can be timed on such a clock
        now = inputs.now if self._now is None else max(inputs.now, self._now)
        try:
            return self._tick(now, inputs)
        except Exception as err:  # noqa: BLE001  # a defect here must not leave heat on
            text = f"The supervisor failed ({type(err).__name__}: {err}): report this, then clear."
            new = self._trip((k, "safe", text) for k in self._plant.kettles)
            return self._all_off("safe", new)
        finally:
            self._now = now

    def _tick(self, now: int, inputs: Inputs) -> Verdict:
        for output in self._plant.outputs:
            timer = self._timers.setdefault(output.id, OutputTimer(now))
            timer.count(now)
        self._who(now, inputs)
        judged = {k: self._judge(k, now, inputs) for k in self._plant.kettles}
        new = self._trip(self._tripped(now, inputs, judged))
        decisions, off_for_good = self._decide(now, inputs, judged)
        for output_id, decision in decisions.items():
            self._timers[output_id].decided(decision.actual, now)
        dead = {o.id for o in self._plant.outputs if self._dead(o, inputs.desired.get(o.id))}
        return self._verdict(decisions, new, judged, frozenset(dead), off_for_good)

    def _who(self, now: int, inputs: Inputs) -> None:
        for kettle_id, authority in self._authority.items():
            if authority.look(
                now,
                lease=inputs.leases.get(kettle_id) is True,
                override=inputs.override.get(kettle_id) is True,
                lapsed=kettle_id in inputs.lapsed,
            ):
                self._judges[kettle_id].forget()

    def _judge(self, kettle_id: str, now: int, inputs: Inputs) -> Judged:
        own = inputs.own.get(kettle_id, ())
        return self._judges[kettle_id].look(now, own, inputs.reference.get(kettle_id))

    def _tripped(
        self, now: int, inputs: Inputs, judged: Mapping[str, Judged]
    ) -> list[tuple[str, str, str]]:
        found = []
        for kettle_id, watch in self._watches.items():
            if inputs.stop_pressed:
                text = f"The stop input was pressed: everything of {kettle_id} is off."
                found.append((kettle_id, "stop_pressed", text))
            heaters, coils = self._plant.heaters[kettle_id], self._plant.coils[kettle_id]
            seen = watch.observe(
                now,
                judged[kettle_id],
                inputs.own.get(kettle_id, ()),
                heater_w=sum(self._timers[h.id].power / FULL * h.power_w for h in heaters),
                commanded=self._authority[kettle_id].commander is not None
                or any(self._held(h, inputs.desired.get(h.id)) for h in heaters),
                through_coil=any(self._timers[h.id].power > 0 for h in coils),
            )
            found += [(kettle_id, name, text) for name, text in seen]
        return found

    def _decide(
        self, now: int, inputs: Inputs, judged: Mapping[str, Judged]
    ) -> tuple[dict[str, Decision], frozenset[str]]:
        """What every output is to be, and those that a latch or the stop bars."""
        on: set[str] = set()
        off_for_good: set[str] = set()
        shares = Shares(self._plant.breakers)
        decisions: dict[str, Decision] = {}
        for output in self._plant.in_turn({k for k, t in self._timers.items() if t.power > 0}):
            wish = inputs.desired.get(output.id)
            if wish is not None and (wish.given_ms > now or self._dead(output, wish)):
                wish = None
            commander, held_ms = self._commander(output, wish, now, inputs)
            desired = _power(output, wish)
            if output.kind == "contactor":
                wish, desired = None, FULL if commander is not None else 0.0
            target = desired
            if commander is None and output.safe > 0:
                # Where it may go without anybody's leave; what else must hold, must hold.
                commander, wish, target = "safe level", None, output.safe
            case = Case(
                now=now,
                output=output,
                heated=tuple((self._plant.kettles[k], judged[k]) for k in output.kettles),
                wish=wish,
                authority=commander,
                held_ms=held_ms,
                latches=self._latched(output),
                stop_pressed=inputs.stop_pressed,
                interlocks=inputs.interlocks,
                timer=self._timers[output.id],
                on=on,
                shares=shares,
            )
            decision = _decide(case, desired, target)
            if decision.actual > 0:
                on.add(output.id)
                shares.take(output)
            if barred(case):
                off_for_good.add(output.id)
            decisions[output.id] = decision
        return decisions, frozenset(off_for_good)

    def _commander(
        self, output: OutputRules, wish: Wish | None, now: int, inputs: Inputs
    ) -> tuple[str | None, int | None]:
        authority = self._authority[output.kettle_id]
        if output.kind == "contactor":
            behind = self._plant.behind(output)
            if any(self._authority[k].commander for k in self._plant.together(output)):
                return "lease", None
            held = any(self._held(o, inputs.desired.get(o.id), now) for o in behind)
            return ("lease", None) if held else (None, None)
        if authority.commander is None and self._held(output, wish):
            assert authority.lost_at is not None
            return "hold", now - authority.lost_at
        return authority.commander, None

    def _held(self, output: OutputRules, wish: Wish | None, now: int | None = None) -> bool:
        """Whether its controller goes on without a lease (and, if `now` is given, still may)."""
        lost_at = self._authority[output.kettle_id].lost_at
        hold = output.on_lease_loss
        if lost_at is None or hold is None or wish is None or wish.source != "controller":
            return False
        return now is None or now - lost_at <= hold.max_ms

    def _dead(self, output: OutputRules, wish: Wish | None) -> bool:
        """Whether a wish died with its lease; a fermentation's controller outlives it."""
        if wish is None or (output.on_lease_loss is not None and wish.source == "controller"):
            return False
        return wish.given_ms <= self._authority[output.kettle_id].dead_until

    def _latched(self, output: OutputRules) -> frozenset[str]:
        names: frozenset[str] = frozenset()
        return names.union(*(self._latches.names(k) for k in self._plant.together(output)))

    def _cause(self, kettle_id: str, latch: str, inputs: Inputs) -> str | None:
        now = inputs.now if self._now is None else max(inputs.now, self._now)
        judged = self._judge(kettle_id, now, inputs)
        return self._watches[kettle_id].cause(latch, now, judged)

    def _trip(self, found: Iterable[tuple[str, str, str]]) -> tuple[Trip, ...]:
        return tuple(trip for parts in found if self._latches.set(trip := Trip(*parts)))

    def _all_off(self, limit: str, new: tuple[Trip, ...] = ()) -> Verdict:
        now = self._now or 0
        for authority in self._authority.values():
            authority.look(now, lease=False, override=False, lapsed=True)
        for timer in self._timers.values():
            timer.decided(0.0, now)
        decisions = {output.id: Decision(0.0, limit, 0.0) for output in self._plant.outputs}
        every = frozenset(decisions)
        return self._verdict(decisions, new, {}, every, every if limit == "safe" else frozenset())

    def _verdict(
        self,
        decisions: Mapping[str, Decision],
        new: tuple[Trip, ...],
        judged: Mapping[str, Judged],
        cleared: frozenset[str],
        off_for_good: frozenset[str],
    ) -> Verdict:
        contactors = (o.id for o in self._plant.outputs if o.kind == "contactor")
        kettles = self._plant.kettles
        return Verdict(
            outputs=dict(sorted(decisions.items(), key=lambda item: item[1].actual > 0)),
            tripped=new,
            latches=self._latches.all(),
            process={k: judged[k].process if k in judged else None for k in kettles},
            contactors={output_id: decisions[output_id].actual > 0 for output_id in contactors},
            cleared=cleared,
            barred=off_for_good,
            outliers={k: judged[k].outliers for k in judged},
        )


def _power(output: OutputRules, wish: Wish | None) -> float:
    """The power that is wished; off if it is not a power."""
    if wish is None or not math.isfinite(wish.power) or not 0 <= wish.power <= FULL:
        return 0.0
    return wish.power if output.control == "power" or wish.power == FULL else 0.0


def _decide(case: Case, desired: float, target: float) -> Decision:
    """The permits' word on `target`, shown beside `desired`."""
    if target <= 0:
        if not min_on(case) and first_missing(case) is None:
            return Decision(case.timer.power, "min_on", desired)
        return Decision(0.0, None, desired)
    missing = first_missing(case)
    if missing is None:
        return Decision(target, None if target == desired else "lease", desired)
    if desired <= 0:
        return Decision(0.0, None, desired)
    return Decision(0.0, missing, desired, elsewhere(case, missing))
