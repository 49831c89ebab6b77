"""What a node wants of its outputs, and what they get: leases, controllers and supervisor joined.

Nothing here is for two threads at once: whoever calls holds `lock`, which is that of the leases.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from edge_node import actuation_rules
from edge_node.lease_store import LeaseStore
from edge_node.leases import Leases
from edge_node.loop import AUTO, AUTOTUNE, MANUAL, Loop
from edge_node.safety.process_value import MAX_AGE_MS
from edge_node.safety.rules import Inputs as Question
from edge_node.safety.rules import ProbeValue, Reference, Trip, Verdict, Wish
from edge_node.safety.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from edge_node.commands import ControllerOrder
    from edge_node.config import NodeConfig
    from edge_node.gain_store import GainStore
    from edge_node.hardware.outputs import Inputs, Outputs
    from edge_node.model import Reading
    from edge_node.sampler import Tick

LOGGER = logging.getLogger(__name__)

# What keeps an output from what was decided, where no permit does.
OUTPUT_FAILED: Final = "output_failed"


class Core:
    """The outputs of one node, without a thread; `wake` is called when a lease began or ended.

    `outputs` are open and at their safe level; `latches` None: they could not be read. `pair` is
    called, from the thread of the tick, when the pairing button was held.
    """

    def __init__(
        self,
        config: NodeConfig,
        *,
        boot_id: str,
        mono_ms: Callable[[], int],
        outputs: Outputs,
        inputs: Inputs,
        latches: Iterable[Trip] | None,
        gains: GainStore,
        wake: Callable[[], None],
    ) -> None:
        self.config = config
        self.actuators = {actuator.id: actuator for actuator in config.actuators}
        self._gains = gains
        self.loops = {
            c.id: Loop(c, actuation_rules.heated(config, c), gains[c.id])
            for c in config.controllers
        }
        self._mono_ms = mono_ms
        self._outputs = outputs
        self._inputs = inputs
        self._wake = wake
        self.pair: Callable[[], None] = lambda: None
        # Who judges readings may ask it whether a probe's 85.00 is true: kettle, °C, mono ms.
        self.witness: Callable[[str, float, int], None] = lambda *_: None
        self._supervisor = Supervisor(
            actuation_rules.output_rules(config),
            actuation_rules.kettle_rules(config),
            config.breakers,
            latches,
        )
        self._kept = self._supervisor.latches  # until the first verdict
        self.leases = Leases(
            node_id=config.node_id,
            boot_id=boot_id,
            mono_ms=mono_ms,
            groups={kettle.kettle_id: kettle.group for kettle in config.kettles},
            store=LeaseStore(config.data_dir),
            ended=self._ended,
            referred=self.refer,
        )
        self.lock = self.leases.lock
        self._wishes: dict[str, Wish] = {}
        self._reference: dict[str, Reference | None] = {}
        self._newest: dict[str, tuple[int, Reading]] = {}
        self._lapsed: set[str] = set()
        self._ended_in_auto: set[str] = set()  # controllers that the override sets going again
        self._cooling_on: set[str] = set()  # controllers whose heater alone is barred
        self._override: set[str] = set()
        self._contacts: dict[str, bool | None] = {}
        self._verdict: Verdict | None = None
        self._last_now = 0

    @property
    def latches(self) -> frozenset[Trip]:
        """What must be on disk."""
        return self._supervisor.latches

    @property
    def stopped(self) -> bool:
        """Whether the stop was pressed and is not cleared; from any thread."""
        latches = self._kept if self._verdict is None else self._verdict.latches
        return any(trip.name == "stop_pressed" for trip in latches)

    def observe(self, tick: Tick) -> None:
        """Take one tick's readings; from any thread."""
        for channel_id, reading in tick.readings.items():
            self._newest[channel_id] = (tick.mono, reading)

    def refer(self, kettle_id: str, reference: Mapping[str, Any], mono_ms: int) -> None:
        """Take what the holder says of the kettle's other probes; `lock` is held."""
        value: float | None = reference["value"]
        self._reference[kettle_id] = Reference(value, mono_ms, tuple(reference["probes"]))
        if value is not None:
            self.witness(kettle_id, value, mono_ms)

    def _ended(self, kettle_id: str) -> None:
        """A lease began or ended: what it had asked for is cleared, not masked; `lock` is held."""
        self._lapsed.add(kettle_id)
        self._reference[kettle_id] = None
        for loop in self.loops.values():
            if kettle_id in self.kettles_of(loop):
                in_auto = loop.mode == AUTO or loop.config.id in self._ended_in_auto
                if not self._holds(loop):
                    self._release(loop)
                if in_auto and self.leases.holder(kettle_id) is None:
                    self._ended_in_auto.add(loop.config.id)
                else:
                    self._ended_in_auto.discard(loop.config.id)
        for output_id in list(self._wishes):
            if self.kettle_of(output_id) == kettle_id and not self._held(output_id):
                del self._wishes[output_id]
        self._wake()

    def _holds(self, loop: Loop) -> bool:
        """Whether the loop goes on without a lease, for the time that its outputs allow."""
        return loop.mode == AUTO and any(
            self.actuators[name].hold_ms is not None for name in loop.outputs
        )

    def _held(self, output_id: str) -> bool:
        loop = self.loop_of(output_id)
        held = self.actuators[output_id].hold_ms is not None
        return held and loop is not None and self._holds(loop)

    def evaluate(self, *, regulate: bool) -> int:
        """Ask the supervisor and write what it says; the moment it was asked for."""
        # No two looks at the same millisecond, so that a wish is never as old as a lapse.
        now = self._last_now = max(self._mono_ms(), self._last_now + 1)
        self._contacts = self._inputs.read(self._mono_ms())
        self._press(now)
        if regulate:
            self._regulate(now)
        verdict = self._verdict = self._supervisor.tick(self._question(now))
        self._lapsed.clear()
        for output_id, decision in verdict.outputs.items():
            self._outputs[output_id].write(decision.actual, self._mono_ms())
        for output_id in verdict.cleared:
            self._wishes.pop(output_id, None)
        self._give_up(verdict.barred)
        for trip in verdict.tripped:
            LOGGER.error("Tripped, kettle %s, %s: %s", trip.kettle_id, trip.name, trip.text)
        return now

    def _give_up(self, barred: frozenset[str]) -> None:
        """What a latch or the stop keeps off stays off when that is cleared, wanted now or not.

        A controller that cools too does so until then: that is often what the kettle needs.
        """
        for output_id in barred:
            self._wishes.pop(output_id, None)
        for controller_id, loop in self.loops.items():
            off = barred.intersection(loop.outputs)
            if len(off) == len(loop.outputs) or (not off and controller_id in self._cooling_on):
                self._release(loop)
            elif off and loop.active:
                self._cooling_on.add(controller_id)

    def _release(self, loop: Loop) -> None:
        """The loop is off, and so is what it wanted."""
        loop.off()
        self._ended_in_auto.discard(loop.config.id)
        self._cooling_on.discard(loop.config.id)
        for name in loop.outputs:
            self._wishes.pop(name, None)

    def _press(self, now: int) -> None:
        """The override button gives the kettles to whoever stands there, or back."""
        if self._contacts.pop("pairing", False):
            self.pair()
        if self._contacts.pop("override", False):
            given = any(self.leases.override_ms(k) for k in self.leases)
            if given:
                self.leases.override(0)
            else:
                self.leases.override()
            LOGGER.warning(
                "The override button: this node is %s", "given back" if given else "taken"
            )
        for kettle_id in self.leases:
            if not self.leases.override_ms(kettle_id):
                self._override.discard(kettle_id)
            elif kettle_id not in self._override:
                self._override.add(kettle_id)
                self._resume(kettle_id, now + 1)

    def _resume(self, kettle_id: str, given_ms: int) -> None:
        """Nobody can command meanwhile, so what regulated when the lease ended goes on."""
        for controller_id, loop in self.loops.items():
            regulated = loop.mode == AUTO or controller_id in self._ended_in_auto
            if loop.config.kettle_id != kettle_id or not regulated:
                continue
            self._ended_in_auto.discard(controller_id)
            loop.set(AUTO, given_ms, setpoint=None, power=None)
            for name in loop.outputs:
                for needed in self.actuators[name].requires:
                    self._wishes[needed] = Wish(100.0, None, "controller", given_ms)

    def _regulate(self, now: int) -> None:
        for loop in self.loops.values():
            wanted = loop.step(
                now,
                process=self._process(loop.config.kettle_id, now),
                inner=self._inner(loop.config.inner_probe, now),
                achieved={name: self._level(name) for name in loop.outputs},
            )
            for output_id, power in wanted.items():
                # By hand it has an end, as every command that a person gives.
                longest = self.actuators[output_id].max_on_ms
                until = loop.given_ms + longest if loop.mode == MANUAL else None
                self._wishes[output_id] = Wish(power, until, "controller", loop.given_ms)
            if not wanted:
                for output_id in loop.outputs:
                    wish = self._wishes.get(output_id)
                    if wish is not None and wish.source == "controller":
                        del self._wishes[output_id]

    def _question(self, now: int) -> Question:
        interlocks = {one.id: self._contacts.get(one.id) for one in self.config.interlocks}
        return Question(
            now=now,
            desired=dict(self._wishes),
            leases={k: self.leases.holder(k) is not None for k in self.leases},
            own={k.kettle_id: self._own(k.kettle_id) for k in self.config.kettles},
            reference=dict(self._reference),
            interlocks=interlocks,
            stop_pressed=self._contacts.get("stop") if "stop" in self.config.buttons else False,
            override={k: self.leases.override_ms(k) > 0 for k in self.leases},
            lapsed=frozenset(self._lapsed),
        )

    def _own(self, kettle_id: str) -> tuple[ProbeValue, ...]:
        found = []
        for channel in self.config.channels:
            newest = self._newest.get(channel.id)
            if channel.kettle_id == kettle_id and channel.kind == "temperature" and newest:
                mono, reading = newest
                series = f"{self.config.node_id}/{channel.id}"
                process = channel.role == "process"
                found.append(ProbeValue(reading.value, reading.quality, mono, series, process))
        return tuple(found)

    def _process(self, kettle_id: str, now: int) -> float | None:
        value = self._verdict.process.get(kettle_id) if self._verdict is not None else None
        return value.value if value is not None and now - value.mono_ms <= MAX_AGE_MS else None

    def _inner(self, channel_id: str | None, now: int) -> float | None:
        newest = self._newest.get(channel_id or "")
        if newest is None or newest[1].quality != "ok" or now - newest[0] > MAX_AGE_MS:
            return None
        return newest[1].value

    def _level(self, output_id: str) -> float:
        decision = self._verdict.outputs.get(output_id) if self._verdict is not None else None
        return 0.0 if decision is None else decision.actual

    # Commands.

    def wish(self, output_id: str, power: float, for_ms: int | None) -> None:
        """Give an output to whoever commands it directly: its controller goes off."""
        loop = self.loop_of(output_id)
        if loop is not None and loop.active:
            self._release(loop)
        now = self._now()
        until = None if for_ms is None else now + for_ms
        self._wishes[output_id] = Wish(power, until, "command", now)

    def regulate_by(self, controller_id: str, order: ControllerOrder) -> None:
        """Give a controller its order, which has passed every check; its outputs are its own."""
        loop, now = self.loops[controller_id], self._now()
        for name in loop.outputs:
            self._wishes.pop(name, None)
        if order.setpoint is not None:
            loop.setpoint = order.setpoint
        if order.mode is not None:
            loop.set(order.mode, now, setpoint=order.setpoint, power=order.power)
        match order.autotune:
            case "start":
                loop.start_autotune(now)
            case "stop":
                loop.stop_autotune()
            case "apply":
                loop.apply_autotune()
                if loop.applied is not None:
                    self._gains.apply(controller_id, loop.applied)

    def _now(self) -> int:
        """The moment that the next look will be at, or a little earlier."""
        return max(self._mono_ms(), self._last_now + 1)

    def safe(self, kettle_id: str | None) -> list[str]:
        """Latch a kettle, or all if none or an unknown one is named; those that it was for."""
        self._supervisor.safe(kettle_id)
        kettles = [k.kettle_id for k in self.config.kettles]
        return [name for name in kettles if name == kettle_id] or kettles

    def clear(self, kettle_id: str, latch: str) -> str | None:
        """Clear a latch whose cause is gone, or say why it stays."""
        refused = self._supervisor.clear(kettle_id, latch, self._question(self._now()))
        return None if refused is None else refused.reason

    def latch_names(self, output_id: str) -> list[str]:
        """The latches that keep this output off."""
        return sorted(self._supervisor.latched(output_id))

    def has_latch(self, kettle_id: str, latch: str) -> bool:
        """Whether this latch is set."""
        return any((t.kettle_id, t.name) == (kettle_id, latch) for t in self._supervisor.latches)

    # What is shown.

    def elsewhere(self) -> list[tuple[str, str, str]]:
        """What is kept off by a kettle that it heats besides its own: output, permit, kettle."""
        decisions = self._verdict.outputs if self._verdict is not None else {}
        return [
            (output_id, decision.limited_by, decision.kettle)
            for output_id, decision in decisions.items()
            if decision.limited_by is not None and decision.kettle is not None
        ]

    def outliers(self) -> frozenset[str]:
        """The own probes that are proven wrong, as series."""
        verdict = self._verdict
        return frozenset[str]().union(*verdict.outliers.values()) if verdict else frozenset()

    def loop_of(self, output_id: str) -> Loop | None:
        """The controller that drives an output."""
        return next((loop for loop in self.loops.values() if output_id in loop.outputs), None)

    def kettles_of(self, loop: Loop) -> frozenset[str]:
        """The kettles whose leases a loop needs: its own, and those of what it drives."""
        return frozenset({loop.config.kettle_id, *map(self.kettle_of, loop.outputs)})

    def kettle_of(self, output_id: str) -> str:
        """The kettle whose lease and latches an output obeys."""
        return actuation_rules.kettle_of(self.config, self.actuators[output_id])

    def contacts(self) -> dict[str, Any]:
        """Interlocks (closed, open, or unknown) and whether the stop is pressed."""
        return {
            "interlocks": {one.id: self._contacts.get(one.id) for one in self.config.interlocks},
            "stop": self._contacts.get("stop"),
        }

    def output_state(self, output_id: str) -> dict[str, Any]:
        """`desired`, `actual` and `limited_by` as `/v1/state` shows them."""
        decision = self._verdict.outputs.get(output_id) if self._verdict is not None else None
        desired, limit = (
            (0.0, None) if decision is None else (decision.desired, decision.limited_by)
        )
        actual = self._outputs[output_id].level()
        if decision is not None and actual != decision.actual and limit is None:
            limit = OUTPUT_FAILED
        if self.actuators[output_id].control == "switch":
            return {"desired": desired > 0, "actual": actual > 0, "limited_by": limit}
        return {"desired": desired, "actual": actual, "limited_by": limit}

    def values(self) -> dict[str, float | None]:
        """The value of every channel of the node's own now."""
        values: dict[str, float | None] = {
            output_id: output.level() for output_id, output in self._outputs.items()
        }
        for loop in self.loops.values():
            regulates = loop.mode in {AUTO, AUTOTUNE}
            values[f"{loop.config.id}_setpoint"] = loop.setpoint if regulates else None
        for kettle_id in {self.kettle_of(output_id) for output_id in self.actuators}:
            count = sum(trip.kettle_id == kettle_id for trip in self._supervisor.latches)
            values[f"{kettle_id}_alarms"] = float(count)
        return values
