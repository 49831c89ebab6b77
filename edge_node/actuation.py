"""The outputs of a node in time: a thread of its own looks every half second.

A stalled event loop cannot keep heat on. Commands are judged and carried out as they arrive, under
the same lock; what must be durable is on disk before it is told.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from edge_node.actuation_core import Core
from edge_node.actuation_samples import Recorder, Sampled
from edge_node.gain_store import GainStore
from edge_node.kettle_records import KettleRecords
from edge_node.latch_store import LatchStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_node.config import NodeConfig
    from edge_node.hardware.outputs import Heartbeat, Inputs, Outputs
    from edge_node.leases import Leases

LOGGER = logging.getLogger(__name__)

TICK_S: Final = 0.5
STALLED_MS: Final = 3_000
_JOIN_S: Final = 5
_ELSEWHERE: Final = {
    "process_value": "no probe tells its temperature",
    "disagreement": "its probes contradict each other",
    "high_limit": "it has reached its high limit",
}
_RUNNING_DOWN: Final = frozenset({"expires_in_ms", "quarantine_ms", "override_ms"})


@dataclass(frozen=True, slots=True)
class Report:
    """What changed: parts of `/v1/state`, and samples to keep."""

    change: dict[str, Any]
    samples: list[Sampled]


class Actuation:
    """The outputs of one node; `start` after everything it needs, `stop` before anything else.

    `outputs` are open and at their safe level. `utc_ms` is None while the time is unknown.
    `listener` is told of every change, from any thread.
    """

    def __init__(
        self,
        config: NodeConfig,
        *,
        boot_id: str,
        mono_ms: Callable[[], int],
        utc_ms: Callable[[], int | None],
        outputs: Outputs,
        inputs: Inputs,
        heartbeat: Heartbeat | None = None,
    ) -> None:
        self.config = config
        self.records = KettleRecords(config.data_dir, [k.kettle_id for k in config.kettles])
        self.latches = LatchStore(config.data_dir, utc_ms)
        self.gains = GainStore(config)
        self.counts: Counter[str] = Counter()
        self.listener: Callable[[Report], None] = lambda _: None
        self.failure: str | None = None
        self._mono_ms = mono_ms
        self._outputs = outputs
        self._inputs = inputs
        self._heartbeat = heartbeat
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._disk = threading.Lock()
        self._recorder = Recorder()
        self._shown: dict[str, Any] = {}
        self._ticked_ms = mono_ms()
        self.core = Core(
            config,
            boot_id=boot_id,
            mono_ms=mono_ms,
            outputs=outputs,
            inputs=inputs,
            latches=self.latches.load(),
            gains=self.gains,
            wake=self._wake.set,
        )
        self.lock = self.core.lock
        outputs.released = lambda: inputs.released(mono_ms()) and not self.core.stopped

    @property
    def leases(self) -> Leases:
        """The leases of the node's kettles."""
        return self.core.leases

    @property
    def stalled(self) -> bool:
        """Whether no tick was completed for too long."""
        return self._thread is not None and self._mono_ms() - self._ticked_ms > STALLED_MS

    @property
    def failed(self) -> bool:
        """Whether an output does not obey; only the guard or a new start can switch it off then."""
        return bool(self._outputs.failed)

    def start(self) -> None:
        """Keep the latches, start the hardware's threads and the tick."""
        self.keep_latches()
        self.gains.keep()
        self._inputs.start()
        self._outputs.start()
        self._ticked_ms = self._mono_ms()
        self._thread = threading.Thread(target=self._run, name="actuation", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Everything to its safe level, for good; the second time nothing is left to do."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._wake.set()
        self._outputs.safe()
        if self._thread is not None:
            self._thread.join(_JOIN_S)
            self._thread = None
        self._outputs.close()
        self._inputs.close()
        if self._heartbeat is not None:
            self._heartbeat.close()
        self.leases.close()

    def tick(self) -> None:
        """One look at everything; what has tripped is on disk when it returns."""
        with self.lock:
            self.leases.tick()
            now = self.core.evaluate(regulate=True)
        self.keep_latches()
        self._report(now)
        self._outputs.beat(self._mono_ms())
        self._ticked_ms = self._mono_ms()
        self.counts["ticks"] += 1
        # Only a complete tick is a sign of life, and only of outputs that obey.
        if self._heartbeat is not None and not self.failed:
            self._heartbeat.beat()

    def look(self, *, regulate: bool = False) -> None:
        """Let what was just told take effect, with `lock` held; all is safe if that fails.

        `regulate`: a controller was told something, so ask it at once.
        """
        try:
            now = self.core.evaluate(regulate=regulate)
        # Whatever it was, some outputs may have been written and others not. Whoever called says
        # what it was, and the next tick meets it too.
        except Exception:
            self._outputs.safe()
            raise
        self._report(now)

    def safe(self, kettle_id: str | None) -> list[str]:
        """All heat off now and latched; the kettles that it was for. `keep_latches` is due."""
        with self.lock:
            named = self.core.safe(kettle_id)
            self.look()
        LOGGER.warning("Safe was called for: %s", ", ".join(named))
        return named

    def keep_latches(self) -> bool:
        """Bring the latches to the disk, without `lock`; whether they are there."""
        with self._disk:
            with self.lock:
                latches = self.core.latches
            return self.latches.keep(latches)

    def state(self) -> dict[str, Any]:
        """The parts of `/v1/state` that are about outputs."""
        core = self.core
        with self.lock:
            return {
                "actuators": {name: core.output_state(name) for name in core.actuators},
                "controllers": {name: loop.state() for name, loop in core.loops.items()},
                "kettles": {
                    kettle.kettle_id: {
                        "lease": self.leases.status(kettle.kettle_id),
                        "batch": self.records[kettle.kettle_id].batch,
                    }
                    for kettle in self.config.kettles
                },
                "latches": self.latches.shown(),
                **core.contacts(),
            }

    def alarms(self) -> dict[str, str]:
        """What is wrong with outputs and protection: a sentence by the alarm's id."""
        texts = {
            f"{latch['latch']}_{latch['kettle_id']}": latch["text"]
            for latch in self.latches.shown()
        }
        node_id = self.config.node_id
        for output_id, why in dict(self._outputs.failed).items():
            texts[f"output_failed_{output_id}"] = (
                f"Output {output_id} of node {node_id} has failed: {why}. All outputs stay at "
                "their safe level and the guard drops; look at its wiring, then start the node "
                "again."
            )
        for input_id, why in self._inputs.problems.items():
            texts[f"input_failed_{input_id}"] = (
                f"Input {input_id} of node {node_id} cannot be read and counts as open: {why}."
            )
        for output_id, permit, kettle_id in self.core.elsewhere():
            texts[f"kept_off_{output_id}"] = (
                f"Output {output_id} of node {node_id} stays off because of kettle {kettle_id}, "
                f"which it heats too: {_ELSEWHERE[permit]}."
            )
        for series in self.core.outliers():
            channel_id = series.partition("/")[2]
            texts[f"probe_outlier_{channel_id}"] = (
                f"Channel {channel_id} of node {node_id} contradicts the other probes of its "
                "kettle and is left out: check where it sits, then its calibration."
            )
        if self._outputs.defect is not None:
            texts["outputs_defect"] = (
                f"The outputs of node {node_id} met a defect of the program: "
                f"{self._outputs.defect}. See its log, report this, then start the node again."
            )
        if self.failure is not None or self.stalled:
            texts["actuation_failing"] = (
                f"The outputs of node {node_id} are not looked after ({self.failure or 'stalled'}) "
                "and are at their safe level: see its log, and report this."
            )
        if self.latches.problem is not None:
            texts["latches_not_kept"] = (
                f"Node {node_id} cannot keep its latches: {self.latches.problem}. Make room or "
                "replace the card; after a restart it would not know what tripped."
            )
        if self.gains.problem is not None:
            texts["gains_not_kept"] = (
                f"Node {node_id} cannot keep the gains of its controllers: {self.gains.problem}. "
                "It goes on with those it has, and tries again. Make room or replace the card; "
                "after a restart it would go by what is on the disk."
            )
        if self._heartbeat is not None and self._heartbeat.problem is not None:
            texts["guard_unheard"] = (
                f"The guard of node {node_id} gets no heartbeat and keeps the heaters off: "
                f"{self._heartbeat.problem}."
            )
        return texts

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopping.is_set():
            try:
                self.tick()
            except Exception as err:
                LOGGER.exception("A tick of the actuation failed; every output is made safe")
                self._outputs.safe()
                self.failure = f"{type(err).__name__}: {err}"
                self.counts["tick_failures"] += 1
            else:
                self.failure = None
            due = max(due + TICK_S, time.monotonic())
            self._wake.wait(due - time.monotonic())
            self._wake.clear()

    def _report(self, now: int) -> None:
        """Tell the listener what has changed since the last time."""
        with self.lock:
            state = self.state()
            shown = {**state, "kettles": _without_time(state["kettles"])}
            change = {
                key: state[key] for key, value in shown.items() if self._shown.get(key) != value
            }
            self._shown = shown
            samples = self._recorder.step(now, self.core.values())
        if change or samples:
            self.listener(Report(change, samples))


def _without_time(kettles: dict[str, Any]) -> dict[str, Any]:
    """The kettles without what runs down by itself."""
    return {
        kettle_id: {
            **kettle,
            "lease": {
                key: value for key, value in kettle["lease"].items() if key not in _RUNNING_DOWN
            },
        }
        for kettle_id, kettle in kettles.items()
    }
