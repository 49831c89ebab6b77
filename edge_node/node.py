"""The running node, as its API shows it."""

import logging
import platform
import shutil
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

from edge_node import description, own_channels
from edge_node.actuation import Actuation, Report
from edge_node.alarms import Alarms, ProbeWatch, Recent
from edge_node.clock import Clock
from edge_node.config import ChannelConfig, NodeConfig
from edge_node.identity import Identity
from edge_node.model import OK, OUTLIER, Reading
from edge_node.sampler import Tick
from edge_node.spool import Entry, Spool
from edge_node.spool_stamp import Stamping, stamp

__all__ = ["Node"]

_LOGGER = logging.getLogger(__name__)

API_VERSION: Final = 1
# Without a tick or a commit for this long, the node does not do what it is for.
_DEAD_MS: Final = 10_000
_DISK_LOW_BYTES: Final = 64 * 2**20
_CPU_TEMPERATURE: Final = Path("/sys/class/thermal/thermal_zone0/temp")

Change = dict[str, Any]


class Hardware(Protocol):
    """What the node tells about its hardware."""

    def health(self) -> dict[str, Any]:
        """`bus_errors`, `power_mode` and `buses`."""


class Node:
    """Joins configuration, identity, clock, spool and the newest readings."""

    def __init__(
        self, config: NodeConfig, identity: Identity, clock: Clock, spool: Spool, hardware: Hardware
    ) -> None:
        self.config = config
        self.identity = identity
        self.clock = clock
        self.spool = spool
        self.boot_id = uuid.uuid4().hex
        self.paused = False
        self.actuation: Actuation | None = None
        self.missed_ticks: Callable[[], int] = lambda: 0
        self._hardware = hardware
        self._subscribers: list[Callable[[Change], None]] = []
        self._newest: dict[str, tuple[int | None, int, Reading]] = {}
        self._own = list(own_channels.own_channels(config))
        self._kettles = {c.id: c.kettle_id for c in config.channels}
        self._kettles |= {c.id: c.kettle_id for c in self._own}
        self._watches = {channel.id: ProbeWatch() for channel in config.channels}
        self._alarms = Alarms()
        self._task_failures: dict[str, str] = {}
        self._lost, self._dropped, self._steps, self._cut = (Recent() for _ in range(4))
        self._watchers_cut = 0
        self._told_known = False
        self._last_tick = clock.mono_ms()
        self._spool_failed_at: int | None = None

    def mono_ms(self) -> int:
        """Milliseconds of CLOCK_BOOTTIME."""
        return self.clock.mono_ms()

    def describe(self) -> dict[str, Any]:
        """`/v1/node` without the envelope and without `clients`."""
        config, identity = self.config, self.identity
        return {
            "api": API_VERSION,
            "node_id": config.node_id,
            "name": config.name,
            "model": identity.model,
            "version": identity.version,
            "fingerprint": identity.fingerprint,
            "versions": {
                "smart_beer": identity.version,
                "python": platform.python_version(),
                "kernel": platform.release(),
            },
            "config_digest": config.digest,
            **description.describe(config),
            "spool": self.spool.describe(),
            "clock": self.clock.describe(),
        }

    def state(self) -> dict[str, Any]:
        """`/v1/state` without the envelope."""
        own = {c.id: self._newest[c.id] for c in self._own if c.id in self._newest}
        return {
            "channels": {c.id: self._channel_state(c) for c in self.config.channels}
            | {name: _shown(t, reading) for name, (t, _, reading) in own.items()},
            **self._actuation_state(),
            "alarms": self._alarms.list(),
            "health": self._health(),
        }

    def failing(self) -> str | None:
        """The part that does not work (`actuation`, `outputs`, `sampler`, `spool`), or None."""
        now = self.mono_ms()
        if not self.paused and now - self._last_tick > _DEAD_MS:
            return "sampler"
        if self.actuation is not None and self.actuation.stalled:
            return "actuation"
        if self.actuation is not None and self.actuation.failed:
            return "outputs"
        if self._spool_failed_at is not None and now - self._spool_failed_at > _DEAD_MS:
            return "spool"
        return None

    def subscribe(self, callback: Callable[[Change], None]) -> Callable[[], None]:
        """Call `callback` on the event loop with each change; returns what ends it.

        A change is a part of `state()`: only the keys that changed, and of `channels` only the
        channels that changed, e.g. `{"channels": {"mash_temp": {"t", "value", "quality"}}}` or
        `{"alarms": [...]}`.
        """
        self._subscribers.append(callback)

        def end() -> None:
            if callback in self._subscribers:
                self._subscribers.remove(callback)

        return end

    def set_clock(self, utc_ms: int) -> None:
        """Set an unknown clock; ClockKnownError once it is known, ValueError out of range."""
        self.clock.set(utc_ms, self.spool.newest_t)
        self._tell_spool()

    def observe_clock(self) -> None:
        """Look at the system's clock; once the time is known, what waits for it is stamped."""
        self.clock.observe(self.spool.newest_t)
        self._tell_spool()

    def deliver(self, tick: Tick, entries: list[Entry]) -> None:
        """Take one tick: to the outputs, the spool, the newest readings and whoever watches."""
        if self.actuation is not None:
            self.actuation.core.observe(tick)
            tick, entries = self._marked(tick, entries)
        self.spool.submit(entries)
        self._last_tick = tick.mono
        changed: dict[str, Any] = {}
        for channel in self.config.channels:
            reading = tick.readings.get(channel.id)
            if reading is None:
                continue
            before = self._newest.get(channel.id)
            self._newest[channel.id] = (tick.t, tick.mono, reading)
            self._watches[channel.id].note(reading, tick.mono)
            if before is None or before[2] != reading:
                changed[channel.id] = _shown(tick.t, reading)
        change: Change = {"channels": changed} if changed else {}
        if self._check():
            change["alarms"] = self._alarms.list()
        if change:
            self._publish(change)

    def actuated(self, report: Report) -> None:
        """Take what the outputs did: to the spool and to whoever watches; on the event loop."""
        clock = self.clock
        entries = []
        channels: dict[str, Any] = {}
        for sample in report.samples:
            t = None
            if clock.known and clock.offset_ms is not None:
                t = stamp(
                    sample.mono,
                    clock.offset_ms,
                    periodic=sample.periodic,
                    steps_back=clock.steps_back,
                )
            reading = Reading(sample.value, OK)
            series = f"{self.config.node_id}/{sample.channel}"
            entries.append(
                Entry(
                    t,
                    sample.mono,
                    series,
                    sample.value,
                    OK,
                    batch=self._batch(sample.channel),
                    periodic=sample.periodic,
                )
            )
            self._newest[sample.channel] = (t, sample.mono, reading)
            channels[sample.channel] = _shown(t, reading)
        if not self.paused:
            self.spool.submit(entries)
        change: Change = dict(report.change)
        if channels:
            change["channels"] = channels
        if self._check():
            change["alarms"] = self._alarms.list()
        if change:
            self._publish(change)

    def alarm(self, alarm_id: str) -> dict[str, Any] | None:
        """A standing alarm as it is shown, None if there is none of this id."""
        return next((one for one in self._alarms.list() if one["id"] == alarm_id), None)

    def acknowledged(self, alarm_id: str, ack: dict[str, Any]) -> None:
        """Show `ack` with the alarm for as long as it stands, and tell whoever watches."""
        self._alarms.acknowledge(alarm_id, ack)
        self._publish({"alarms": self._alarms.list()})

    def report_task(self, name: str, failure: str | None) -> None:
        """Note that a part of the node died of `failure`, or (None) that it runs."""
        if failure is None:
            self._task_failures.pop(name, None)
        else:
            self._task_failures[name] = failure
        self.refresh()

    def refresh(self) -> None:
        """Work out the alarms anew and tell whoever watches if they changed."""
        if self._check():
            self._publish({"alarms": self._alarms.list()})

    def _check(self) -> bool:
        return self._alarms.update(self._alarm_texts(self.mono_ms()), self.clock.now_ms())

    def _marked(self, tick: Tick, entries: list[Entry]) -> tuple[Tick, list[Entry]]:
        """The same with probes that are proven wrong marked so, and with the batches."""
        assert self.actuation is not None
        begin = len(self.config.node_id) + 1
        wrong = {series[begin:] for series in self.actuation.core.outliers()}
        readings = {
            channel: Reading(reading.value, OUTLIER)
            if channel in wrong and reading.quality == OK
            else reading
            for channel, reading in tick.readings.items()
        }
        marked = [
            replace(
                entry,
                quality=readings[channel].quality if channel in wrong else entry.quality,
                batch=self._batch(channel),
            )
            for entry in entries
            for channel in [entry.series[begin:]]
        ]
        return replace(tick, readings=readings), marked

    def _batch(self, channel_id: str) -> str | None:
        if self.actuation is None:
            return None
        return self.actuation.records.batch(self._kettles.get(channel_id))

    def _actuation_state(self) -> dict[str, Any]:
        if self.actuation is not None:
            return self.actuation.state()
        return {
            "actuators": {},
            "controllers": {},
            "kettles": {k.kettle_id: {"lease": None, "batch": None} for k in self.config.kettles},
            "latches": [],
            "interlocks": {},
            "stop": None,
        }

    def _tell_spool(self) -> None:
        clock = self.clock
        if clock.known and not self._told_known and clock.offset_ms is not None:
            self.spool.clock_known(Stamping(clock.kernel_boot, clock.offset_ms, clock.steps_back))
            self._told_known = True

    def _channel_state(self, channel: ChannelConfig) -> dict[str, Any]:
        newest = self._newest.get(channel.id)
        if newest is None:
            return _shown(None, Reading(None, "bad:stale"))
        t, mono, reading = newest
        if self.mono_ms() - mono > channel.stale_s * 1000:
            reading = Reading(None, "bad:stale")
        return _shown(t, reading)

    def _health(self) -> dict[str, Any]:
        hardware = self._hardware.health()
        spool = self.spool
        return {
            "bus_errors": hardware["bus_errors"],
            "power_mode": hardware["power_mode"],
            "clock_offset_ms": self.clock.correction_ms,
            "disk_free_bytes": self._disk_free(),
            "cpu_temperature": _cpu_temperature(),
            "missed_ticks": self.missed_ticks(),
            "spool": {"rows": spool.rows, "bytes": spool.bytes, "lost": spool.lost},
        }

    def _disk_free(self) -> int | None:
        try:
            return shutil.disk_usage(self.config.data_dir).free
        except OSError:
            return None

    def _alarm_texts(self, mono: int) -> dict[str, str]:
        node_id = self.config.node_id
        texts: dict[str, str] = {}
        for channel in self.config.channels:
            newest = self._newest.get(channel.id)
            if newest is not None:
                watch = self._watches[channel.id]
                if alarm := watch.alarm(node_id, channel, newest[2], mono):
                    texts[alarm[0]] = alarm[1]
        texts |= self._spool_alarms(mono)
        texts |= self._clock_alarms(mono)
        if self.actuation is not None:
            texts |= self.actuation.alarms()
        if self._cut.active(self._watchers_cut, mono):
            texts["watcher_cut"] = (
                f"Node {node_id} failed to tell a screen what changes ({self._watchers_cut} times "
                "so far): load that screen anew, and report this with the node's log."
            )
        for name, failure in self._task_failures.items():
            texts[f"task_{name}"] = (
                f"The {name} of node {node_id} died and is being restarted: {failure}"
            )
        return texts

    def _spool_alarms(self, mono: int) -> dict[str, str]:
        spool = self.spool
        texts: dict[str, str] = {}
        if spool.problem is None:
            self._spool_failed_at = None
        else:
            if self._spool_failed_at is None:
                self._spool_failed_at = mono
            alarm_id = "disk_full" if spool.disk_full else "spool_failing"
            texts[alarm_id] = (
                f"Node {self.config.node_id}: {spool.problem}. Make room or replace the card."
            )
        free = self._disk_free()
        if free is not None and free < _DISK_LOW_BYTES and "disk_full" not in texts:
            texts["disk_low"] = (
                f"The disk of {self.config.data_dir} on node {self.config.node_id} is almost full; "
                "make room, or lower spool.max_bytes."
            )
        if self._lost.active(spool.lost, mono):
            texts["spool_lost"] = (
                f"Node {self.config.node_id} could not keep {spool.lost} samples so far; they are "
                "listed as holes."
            )
        if self._dropped.active(spool.dropped_unread, mono):
            texts["spool_dropped"] = (
                f"Node {self.config.node_id} dropped {spool.dropped_unread} samples that nobody "
                "had read, to stay within spool.max_bytes; connect a reader or raise the limit."
            )
        if spool.replaced is not None:
            texts["spool_replaced"] = f"Node {self.config.node_id}: {spool.replaced}"
        return texts

    def _clock_alarms(self, mono: int) -> dict[str, str]:
        clock, node_id = self.clock, self.config.node_id
        texts: dict[str, str] = {}
        if not clock.known:
            texts["clock_unknown"] = (
                f"Node {node_id} does not know the time: samples are kept and served once it does. "
                "Give it a network with a time server, or a paired client that sets its clock."
            )
        if self._steps.active(clock.steps, mono):
            texts["clock_stepped"] = (
                f"The clock of node {node_id} stepped ({clock.steps} times so far); see why its "
                "time service does not steer it."
            )
        if clock.problem is not None:
            texts["clock_failing"] = f"Node {node_id}: {clock.problem}"
        return texts

    def _publish(self, change: Change) -> None:
        for callback in list(self._subscribers):
            try:
                callback(change)
            # Nothing that a screen's stream meets may stop the sampling that it is told of.
            except Exception:
                _LOGGER.exception("A watcher of the node's state failed and is left out")
                self._subscribers.remove(callback)
                self._watchers_cut += 1


def _shown(t: int | None, reading: Reading) -> dict[str, Any]:
    return {"t": t, "value": reading.value, "quality": reading.quality}


def _cpu_temperature() -> float | None:
    """Degrees Celsius of the processor, None on machines that do not tell."""
    try:
        return int(_CPU_TEMPERATURE.read_text("ascii")) / 1000
    except (OSError, ValueError):
        return None
