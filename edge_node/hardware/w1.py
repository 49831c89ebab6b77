"""The 1-Wire buses below one root: all probes of a bus converted at once, each read by itself."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from edge_node.hardware.probe_error import ProbeError
from edge_node.hardware.scratchpad import CONVERSION_S
from edge_node.hardware.w1_sensor import W1Sensor, find_master
from edge_node.hardware.worker import Worker
from edge_node.plausibility import Raw

_LOGGER = logging.getLogger(__name__)

TRIGGER: Final = b"trigger\n"  # the kernel ignores it without the newline
_GRACE_S: Final = 0.25  # after the second, for the last scratchpad of a long bus with retries
_LATE_GRACE_S: Final = 0.03  # for a probe that was too late the last time
_START_S: Final = 5.0


@dataclass(slots=True)
class _Probe:
    channel_id: str
    sensor: W1Sensor
    bits: int
    worker: Worker
    master: Path | None = None
    late: bool = False
    power: str | None = None

    def prepare(self) -> None:
        """Find the bus, set the resolution, ask for the power mode; blocks."""
        master = find_master(self.sensor.BASE_DIRECTORY, self.sensor.device)
        if master is not None:
            self.power = self.sensor.prepare(self.bits)
            self.master = master

    def read(self) -> Raw:
        """The probe's temperature; blocks."""
        try:
            value, genuine = self.sensor.read()
        except ProbeError as err:
            if err.cause == "missing":  # it may come back elsewhere, and with power-on settings
                self.master = None
            return Raw(None, time.monotonic(), err.cause)
        return Raw(value, time.monotonic(), genuine=genuine)


@dataclass(slots=True)
class _Bus:
    worker: Worker
    conversions: int = 0
    trigger_errors: int = 0
    bulk: bool | None = None
    probes: int = 0
    _said: set[str] = field(default_factory=set)

    def say_once(self, name: str, error: BaseException) -> None:
        """Log a kind of trouble once, not every second."""
        if str(error) not in self._said:
            self._said.add(str(error))
            _LOGGER.error("Bus %s did not convert: %s; its probes are bad:io", name, error)


class W1Reader:
    """Probes by channel: `devices` maps channel ids to (`28-...`, resolution in bits)."""

    def __init__(self, root: Path, devices: Mapping[str, tuple[str, int]]) -> None:
        self._probes = [
            _Probe(channel_id, W1Sensor(root, device), bits, Worker(f"w1 {device}"))
            for channel_id, (device, bits) in devices.items()
        ]
        self._buses: dict[Path, _Bus] = {}
        self.conversion_s = max((CONVERSION_S[bits] for _, bits in devices.values()), default=0.0)

    async def start(self) -> None:
        """Prepare every probe that answers within a few seconds; the others when they do."""
        jobs = [probe.worker.submit(probe.prepare) for probe in self._probes]
        if not jobs:
            return
        done, late = await asyncio.wait(jobs, timeout=_START_S)
        for job in late:
            job.cancel()
        for job in done:
            _prepared(job)
        for probe in self._probes:
            if probe.master is None:
                _LOGGER.warning(
                    "No bus below %s has probe %s; channel %s is bad:missing until one has",
                    probe.sensor.BASE_DIRECTORY,
                    probe.sensor.device,
                    probe.channel_id,
                )

    async def close(self) -> None:
        """End the threads; one that a device still holds is left to end with the process."""
        workers = [probe.worker for probe in self._probes]
        workers += [bus.worker for bus in self._buses.values()]
        ended = await asyncio.gather(*(asyncio.to_thread(worker.close) for worker in workers))
        if not all(ended):
            _LOGGER.warning(
                "%d 1-Wire reads still hang; their threads are left", ended.count(False)
            )

    async def read(self, expected_end: float) -> dict[str, Raw]:
        """Convert and read every probe once.

        `expected_end` (monotonic seconds) is when the conversions should be over. A probe that is
        late, or still busy from before, is `timeout` and delays the others by no more than a
        quarter of a second, once.
        """
        groups: dict[Path | None, list[_Probe]] = defaultdict(list)
        for probe in self._probes:
            groups[probe.master].append(probe)
        lost = groups.pop(None, [])
        for probe in lost:
            if not probe.worker.busy:
                # Whether it is back is known by the next second.
                probe.worker.submit(probe.prepare).add_done_callback(_prepared)
        parts = await asyncio.gather(
            *(self._read_bus(bus, probes, expected_end) for bus, probes in groups.items() if bus)
        )
        now = time.monotonic()
        found = {probe.channel_id: Raw(None, now, "missing") for probe in lost}
        return found | {channel_id: raw for part in parts for channel_id, raw in part.items()}

    def power_modes(self) -> dict[str, str | None]:
        """`external`, `parasite` or None (unknown), by channel."""
        return {probe.channel_id: probe.power for probe in self._probes}

    def buses(self) -> dict[str, dict[str, Any]]:
        """Per bus master: probes, whether it converts in bulk, how often it did and failed to."""
        return {
            path.name: {
                "probes": bus.probes,
                "bulk": bus.bulk,
                "conversions": bus.conversions,
                "trigger_errors": bus.trigger_errors,
            }
            for path, bus in self._buses.items()
        }

    async def _read_bus(
        self, master: Path, probes: list[_Probe], expected_end: float
    ) -> dict[str, Raw]:
        if master not in self._buses:
            self._buses[master] = _Bus(Worker(f"w1 {master.name}"))
        bus = self._buses[master]
        bus.probes = len(probes)
        bulk_file = master / "therm_bulk_read"
        bus.bulk = bulk_file.exists()
        together = [probe for probe in probes if bus.bulk and probe.sensor.bulk_capable]
        # A part without bulk conversion converts when it is read: from now on, in parallel.
        alone = [probe for probe in probes if probe not in together]
        parts = await asyncio.gather(
            _read_all(alone, expected_end),
            self._convert_and_read(bus, bulk_file, together, expected_end),
        )
        return parts[0] | parts[1]

    async def _convert_and_read(
        self, bus: _Bus, bulk_file: Path, probes: list[_Probe], expected_end: float
    ) -> dict[str, Raw]:
        if not probes:
            return {}
        if bus.worker.busy:
            return _all_bad(probes, "timeout")
        job = bus.worker.submit(lambda: trigger(bulk_file))
        await asyncio.wait([job], timeout=expected_end + _GRACE_S - time.monotonic())
        if not job.done():
            job.cancel()
            bus.trigger_errors += 1
            return _all_bad(probes, "timeout")
        if error := job.exception():
            # The probes still hold the last conversion, with a good checksum: not this second's.
            bus.trigger_errors += 1
            bus.say_once(bulk_file.parent.name, error)
            return _all_bad(probes, "io")
        bus.conversions += 1
        return await _read_all(probes, expected_end)


async def _read_all(probes: Iterable[_Probe], expected_end: float) -> dict[str, Raw]:
    jobs = {p.channel_id: (p, p.worker.submit(p.read)) for p in probes if not p.worker.busy}
    found = _all_bad(probes, "timeout")
    for late, grace in ((False, _GRACE_S), (True, _LATE_GRACE_S)):
        waiting = [job for probe, job in jobs.values() if probe.late is late]
        if waiting:
            remaining = max(_LATE_GRACE_S, expected_end + grace - time.monotonic())
            await asyncio.wait(waiting, timeout=remaining)
    for channel_id, (probe, job) in jobs.items():
        probe.late = not job.done()
        if probe.late:
            job.cancel()  # what it says later belongs to no second
        elif error := job.exception():
            _LOGGER.error("Reading %s failed", channel_id, exc_info=error)
            found[channel_id] = Raw(None, time.monotonic(), "io")
        else:
            found[channel_id] = job.result()
    return found


def trigger(bulk_file: Path) -> None:
    """Convert on the whole bus; the kernel holds the write until the longest conversion is over."""
    with bulk_file.open("wb", buffering=0) as file:
        file.write(TRIGGER)


def _all_bad(probes: Iterable[_Probe], cause: str) -> dict[str, Raw]:
    now = time.monotonic()
    return {probe.channel_id: Raw(None, now, cause) for probe in probes}


def _prepared(job: asyncio.Future[None]) -> None:
    """Take note of how a preparation ended; a probe that has just gone is tried again."""
    if not job.cancelled() and (error := job.exception()) and not isinstance(error, ProbeError):
        _LOGGER.error("Preparing a probe failed; it is tried again", exc_info=error)
