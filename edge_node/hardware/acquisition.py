"""Reads every channel of a node for one second."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from edge_node.config import ChannelConfig, NodeConfig
from edge_node.hardware.carbonation import co2_volumes
from edge_node.hardware.iio import IioInput, Span
from edge_node.hardware.probe_error import ProbeError
from edge_node.hardware.replay import Replay
from edge_node.hardware.simple import SimpleReader
from edge_node.hardware.toy import ToyBus
from edge_node.hardware.w1 import W1Reader
from edge_node.model import Reading
from edge_node.plausibility import Plausibility, Raw, Rule
from edge_node.recording import read_recording

_LOGGER = logging.getLogger(__name__)

_TOY_BITS = 12


class Acquisition:
    """Reads every channel of a node for one second.

    `lead_s`: how long before the second `tick` is to be called, so that the conversions of the
    1-Wire buses end on it; 0 without any.
    """

    def __init__(self, config: NodeConfig) -> None:
        self._channels = {channel.id: channel for channel in config.channels}
        self._plausibility = Plausibility(_rule(channel) for channel in config.channels)
        self._kettles = {kettle.kettle_id for kettle in config.kettles}
        self._errors: dict[str, Counter[str]] = {channel: Counter() for channel in self._channels}
        self._replays: dict[str, Replay] = {}
        self._started_mono = 0.0
        toys = {c.id: c.kettle_id for c in config.channels if c.driver == "simulated"}
        self._toy = ToyBus(config.data_dir / "toy", config.node_id, toys) if toys else None
        self._w1 = [W1Reader(config.w1_root, _w1_devices(config))]
        if self._toy is not None:
            devices = {c: (device, _TOY_BITS) for c, device in self._toy.devices.items()}
            self._w1.append(W1Reader(self._toy.root, devices))
        self._simple = SimpleReader(_iio_channels(config))
        self.lead_s = max(reader.conversion_s for reader in self._w1)

    async def start(self) -> None:
        """Make every probe ready that is there; RecordingError if a log cannot be replayed."""
        for channel in self._channels.values():
            if channel.driver == "replay":
                file, column = channel.options["file"], channel.options["column"]
                recording = await asyncio.to_thread(read_recording, file, column)
                self._replays[channel.id] = Replay(recording, channel.options.get("loop", True))
        if self._toy is not None:
            await asyncio.to_thread(self._toy.start)
        for reader in self._w1:
            await reader.start()
        self._started_mono = time.monotonic()

    async def close(self) -> None:
        """End all threads and remove what was temporary."""
        for reader in self._w1:
            await reader.close()
        await self._simple.close()
        if self._toy is not None:
            await asyncio.to_thread(self._toy.close)

    async def tick(self, t_ms: int, *, now_mono: float) -> dict[str, Reading]:
        """Every channel's reading for the second `t_ms`, in the configuration's order.

        `now_mono` is that second on a clock that never goes back, the same as `reference` gets.
        Returns shortly after the second; what does not answer in time is `bad:timeout`.
        """
        expected_end = time.monotonic() + self.lead_s
        parts = await asyncio.gather(
            *(reader.read(expected_end) for reader in self._w1),
            self._simple.read(expected_end),
        )
        raws = {channel_id: raw for part in parts for channel_id, raw in part.items()}
        raws |= {channel_id: self._replayed(channel_id, t_ms) for channel_id in self._replays}
        readings = self._judge(raws, now_mono)
        derived: dict[str, Raw] = {}
        doubts: dict[str, str] = {}
        for channel in self._channels.values():
            if channel.driver == "carbonation":
                derived[channel.id], doubts[channel.id] = _carbonation(channel, readings)
        readings |= self._judge(derived, now_mono)
        for channel_id, doubt in doubts.items():
            value = readings[channel_id].value
            if doubt and value is not None:
                readings[channel_id] = Reading(value, doubt)
        for channel_id, reading in readings.items():
            if reading.bad:
                self._errors[channel_id][reading.quality.removeprefix("bad:")] += 1
        return {
            channel_id: _resolved(channel, readings[channel_id])
            for channel_id, channel in self._channels.items()
        }

    def health(self) -> dict[str, Any]:
        """Bad readings by channel and cause, the probes' power modes, and the buses."""
        return {
            "bus_errors": {c: dict(counts) for c, counts in self._errors.items() if counts},
            "power_mode": {k: v for reader in self._w1 for k, v in reader.power_modes().items()},
            "buses": {k: v for reader in self._w1 for k, v in reader.buses().items()},
        }

    def reference(self, value: float, mono: float, *, kettle_id: str | None = None) -> None:
        """A kettle's fused temperature, °C, a witness for a probe's 85.00 for ten seconds.

        `mono` on the clock of `tick`. Without `kettle_id`, of the only kettle; ValueError if this
        node does not serve it, or serves several.
        """
        if kettle_id is None and len(self._kettles) == 1:
            (kettle_id,) = self._kettles
        if kettle_id is None or kettle_id not in self._kettles:
            raise ValueError(f"a reference must be of one of {sorted(self._kettles)}: {kettle_id}")
        self._plausibility.reference(kettle_id, value, mono)

    def _judge(self, raws: dict[str, Raw], now_mono: float) -> dict[str, Reading]:
        # Drivers stamp with the monotonic clock; the judge knows only the tick's.
        shift = now_mono - time.monotonic()
        shifted = {c: replace(raw, mono=raw.mono + shift) for c, raw in raws.items()}
        return self._plausibility.judge(shifted, now_mono)

    def _replayed(self, channel_id: str, t_ms: int) -> Raw:
        replay = self._replays[channel_id]
        now = time.monotonic()
        by_wall = self._channels[channel_id].options.get("clock", "start") == "wall"
        started = replay.recording.times[0] if by_wall else self._started_mono
        try:
            return Raw(replay.at((t_ms / 1000 if by_wall else now) - started), now)
        except ProbeError as err:
            return Raw(None, now, err.cause)


# Decimals that hold all that a part resolves: 1/16 K of a DS18B20, 0.13 hPa of a 16-bit ADC over a
# 4 bar transducer. Digits beyond are noise that only costs the archive.
_DECIMALS = {"temperature": 4, "pressure": 2, "co2": 3}


def _resolved(channel: ChannelConfig, reading: Reading) -> Reading:
    if reading.value is None:
        return reading
    return replace(reading, value=round(reading.value, _DECIMALS[channel.kind]))


def _rule(channel: ChannelConfig) -> Rule:
    return Rule(
        channel.id,
        channel.kettle_id,
        channel.driver in {"w1", "simulated"},
        channel.limits,
        channel.stale_s,
        channel.calibration,
    )


def _w1_devices(config: NodeConfig) -> dict[str, tuple[str, int]]:
    return {
        channel.id: (channel.options["device"], channel.options["resolution"])
        for channel in config.channels
        if channel.driver == "w1"
    }


def _iio_channels(config: NodeConfig) -> dict[str, Callable[[], float]]:
    found: dict[str, Callable[[], float]] = {}
    for channel in config.channels:
        if channel.driver == "iio":
            source = IioInput(
                config.iio_root,
                channel.options["device"],
                channel.options["input"],
                channel.options.get("shunt_ohms"),
            )
            (low, high), (to_low, to_high) = channel.options["span"]
            span = Span(low, high, to_low, to_high, source.milliamperes)
            found[channel.id] = partial(_spanned, source, span)
    return found


def _spanned(source: IioInput, span: Span) -> float:
    return span.value(source.signal())


def _carbonation(channel: ChannelConfig, readings: dict[str, Reading]) -> tuple[Raw, str]:
    """The derived value, and the doubt that it inherits from its inputs, if any."""
    now = time.monotonic()
    temperature = readings[channel.options["temperature"]]
    pressure = readings[channel.options["pressure"]]
    if temperature.value is None or pressure.value is None:
        return Raw(None, now, "input"), ""
    doubt = next((r.quality for r in (temperature, pressure) if r.quality != "ok"), "")
    return Raw(co2_volumes(temperature.value, pressure.value), now), doubt
