"""What is connected to this machine, for a person who writes a configuration."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from edge_node.hardware.iio import IioInput
from edge_node.hardware.probe_error import ProbeError
from edge_node.hardware.w1 import trigger
from edge_node.hardware.w1_sensor import FAMILIES, W1Sensor, find_master

_W1_DEVICE: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{12}")
_IIO_RAW: Final = re.compile(r"in_((?:voltage|current)\d+(?:-(?:voltage|current)\d+)?)_raw")
_TIMEOUT_S: Final = 3.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FoundProbe:
    """One probe or input that a configuration could name.

    `driver` is `w1` or `iio`; `device` and (iio) `input` go into the configuration as they are;
    `model` is the part, as far as it tells; `value` is °C, volts or mA by `unit`, None when bad;
    `quality` is `ok` or `bad:<cause>`; `power` is `external`, `parasite` or None.
    """

    driver: str
    device: str
    input: str | None
    bus: str | None
    model: str
    value: float | None
    unit: str
    quality: str
    power: str | None


def list_probes(w1_root: Path, iio_root: Path) -> list[FoundProbe]:
    """Every 1-Wire probe and industrial I/O input, each read once; takes a second or so.

    What does not answer within three seconds is `bad:timeout`. Changes no setting of any probe.
    """
    return [*_w1_probes(w1_root), *_iio_inputs(iio_root)]


def _w1_probes(root: Path) -> list[FoundProbe]:
    devices = sorted(
        path.name
        for path in (root.iterdir() if root.is_dir() else ())
        if _W1_DEVICE.fullmatch(path.name) and int(path.name[:2], 16) in FAMILIES
    )
    sensors = [W1Sensor(root, device) for device in devices]
    masters = {device: find_master(root, device) for device in devices}
    bulk = {master / "therm_bulk_read" for master in masters.values() if master is not None}
    # Where that fails, each probe converts when it is read.
    _at_once([partial(_converted, file) for file in bulk if file.exists()])
    readings = _at_once([partial(_w1_reading, sensor) for sensor in sensors])
    powers = _at_once([sensor.power_mode for sensor in sensors])
    found = []
    for sensor, reading, power in zip(sensors, readings, powers, strict=True):
        value, quality = reading or (None, "bad:timeout")
        master = masters[sensor.device]
        model = FAMILIES[sensor.family]
        bus = master.name if master else None
        found.append(FoundProbe("w1", sensor.device, None, bus, model, value, "°C", quality, power))
    return found


def _iio_inputs(root: Path) -> list[FoundProbe]:
    found = []
    for folder in sorted(root.glob("iio:device*")):
        names = sorted(
            match[1] for path in folder.iterdir() if (match := _IIO_RAW.fullmatch(path.name))
        )
        inputs = [IioInput(root, folder.name, name) for name in names]
        readings = _at_once([partial(_iio_reading, source) for source in inputs])
        try:
            model = (folder / "name").read_text().strip()
        except OSError:
            model = "unknown"
        for source, reading in zip(inputs, readings, strict=True):
            value, quality = reading or (None, "bad:timeout")
            unit = "mA" if source.milliamperes else "V"
            found.append(
                FoundProbe("iio", folder.name, source.name, None, model, value, unit, quality, None)
            )
    return found


def _at_once(jobs: list[Callable[[], T]]) -> list[T | None]:
    """Run all jobs in threads of their own; None for those that do not end in time."""
    results: list[T | None] = [None] * len(jobs)

    def run(number: int) -> None:
        results[number] = jobs[number]()

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(len(jobs))]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + _TIMEOUT_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return list(results)


def _converted(bulk_file: Path) -> bool:
    try:
        trigger(bulk_file)
    except OSError:
        return False
    return True


def _w1_reading(sensor: W1Sensor) -> tuple[float | None, str]:
    try:
        return sensor.read()[0], "ok"
    except ProbeError as err:
        return None, f"bad:{err.cause}"


def _iio_reading(source: IioInput) -> tuple[float | None, str]:
    try:
        return source.signal(), "ok"
    except ProbeError as err:
        return None, f"bad:{err.cause}"
