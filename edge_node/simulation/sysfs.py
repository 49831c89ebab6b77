"""Trees in the kernel's exact format: a 1-Wire bus master with its probes, an industrial I/O part.

File names and contents as in Linux `Documentation/w1/slaves/w1_therm.rst` and
`Documentation/ABI/testing/sysfs-bus-iio`.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge_node.hardware.scratchpad import CONFIG_BYTE, CONVERSION_S
from edge_node.simulation.faults import (
    SLOW_S,
    Fault,
    faulty_scratchpad,
    milli_celsius,
    scratchpad,
    w1_slave_no_text,
    w1_slave_text,
)
from edge_node.simulation.pipes import SlowFile, TriggerFile, remove_file, replace_file

MASTER = "w1_bus_master1"
ADS1115_SCALE_MV = 0.1875  # a step at the gain for +-6.144 V


@dataclass(slots=True)
class _Device:
    device_id: str
    convert: Callable[[int], int]  # bits -> sixteenths of a degree
    fault: Fault | None = None
    data: bytes = b""
    bits: int = 12
    slow: SlowFile | None = None
    conversions: int = 0


@dataclass(slots=True)
class W1Tree:
    """A bus master and its probes under `root`, as `/sys/bus/w1/devices` shows them.

    `probes` maps device names (`28-<12 hex>`) to what makes one conversion: resolution in bits to
    sixteenths of a degree. With `bulk`, a write of `trigger` and newline to `therm_bulk_read` is
    held for the longest conversion of the bus, and the probes' files then hold the new readings;
    without it (an old kernel), each read of `w1_slave` is held for a conversion of its own.
    """

    root: Path
    probes: Mapping[str, Callable[[int], int]]
    bulk: bool = True
    time_scale: float = 1.0
    _devices: dict[str, _Device] = field(init=False)
    _lock: threading.RLock = field(init=False, default_factory=threading.RLock)
    _trigger: TriggerFile | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._devices = {name: _Device(name, convert) for name, convert in self.probes.items()}

    def start(self) -> None:
        """Write the whole tree, then serve it."""
        (self.root / MASTER).mkdir(parents=True, exist_ok=True)
        with self._lock:
            for device in self._devices.values():
                self._convert(device)
                self._publish(device)
            self._list_devices()
        if self.bulk:
            self._trigger = TriggerFile(
                self.root / MASTER / "therm_bulk_read",
                b"trigger\n",
                self._longest_conversion_s,
                self._convert_all,
            )

    def stop(self) -> None:
        """Serve no more; the files stay as they are."""
        if self._trigger is not None:
            self._trigger.stop()
            self._trigger = None
        for device in self._devices.values():
            if device.slow is not None:
                device.slow.stop()
                device.slow = None

    @property
    def bulk_conversions(self) -> int:
        """How often all probes of the bus have converted at once."""
        return self._trigger.done if self._trigger is not None else 0

    @property
    def ignored_triggers(self) -> list[bytes]:
        """What was written to the bulk file that the kernel would have ignored."""
        return self._trigger.ignored if self._trigger is not None else []

    def conversions(self, device_id: str) -> int:
        """How often this probe has converted, alone or with all."""
        return self._devices[device_id].conversions

    def set_fault(self, device_id: str, fault: Fault | None) -> None:
        """Let `fault` begin, or end (None), now; ValueError where it cannot be."""
        if fault is Fault.CROSS_TALK and len(self._devices) < 2:
            raise ValueError(f"{device_id} is alone on its bus: cross-talk needs a second probe")
        device = self._devices[device_id]
        with self._lock:
            if device.fault is fault:
                return
            device.fault = fault
            slow, device.slow = device.slow, None
        if slow is not None:
            slow.stop()  # its thread may be waiting for the lock
        with self._lock:
            self._publish(device)
            self._list_devices()

    def _longest_conversion_s(self) -> float:
        with self._lock:
            bits = max(self._resolution(device) for device in self._devices.values())
        return CONVERSION_S[bits] * self.time_scale

    def _convert_all(self) -> None:
        with self._lock:
            for device in self._devices.values():
                self._convert(device)
            for device in self._devices.values():
                self._publish(device)

    def _convert(self, device: _Device) -> None:
        device.bits = self._resolution(device)
        if device.fault is not Fault.FROZEN or not device.data:
            device.data = scratchpad(device.convert(device.bits), device.bits)
        device.conversions += 1

    def _resolution(self, device: _Device) -> int:
        # Written in place by the node: may be caught half-written, absent while missing.
        try:
            bits = int((self.root / MASTER / device.device_id / "resolution").read_text())
        except (FileNotFoundError, ValueError):
            return device.bits
        return bits if bits in CONFIG_BYTE else device.bits

    def _shown(self, device: _Device) -> bytes:
        """What `w1_slave` holds."""
        match device.fault:
            case Fault.EMPTY:
                return b""
            case Fault.BAD_CRC:
                return w1_slave_no_text(device.data)
            case Fault.CROSS_TALK:
                names = list(self._devices)
                other = names[(names.index(device.device_id) + 1) % len(names)]
                return w1_slave_text(self._devices[other].data)
            case fault:
                return w1_slave_text(faulty_scratchpad(fault, device.data, device.bits))

    def _publish(self, device: _Device) -> None:
        folder = self.root / MASTER / device.device_id
        link = self.root / device.device_id
        if device.fault is Fault.MISSING:
            link.unlink(missing_ok=True)
            if folder.is_dir():
                for path in folder.iterdir():
                    remove_file(path)
                folder.rmdir()
            return
        if not link.is_symlink() or not (folder / "features").exists():
            self._create(device, folder, link)
        if not self.bulk or device.fault is Fault.SLOW:
            if device.slow is None:
                device.slow = SlowFile(
                    folder / "w1_slave", lambda: self._answer(device), lambda: self._delay(device)
                )
            return
        shown = self._shown(device)
        good = shown.endswith(b"\n") and device.fault is not Fault.BAD_CRC
        temperature = shown.rpartition(b"t=")[2] if good else b""
        replace_file(folder / "w1_slave", shown)
        replace_file(folder / "temperature", temperature)

    def _answer(self, device: _Device) -> bytes:
        with self._lock:
            if not self.bulk:
                self._convert(device)
            return self._shown(device)

    def _delay(self, device: _Device) -> float:
        delay = 0.0 if self.bulk else CONVERSION_S[self._resolution(device)] * self.time_scale
        return delay + (SLOW_S if device.fault is Fault.SLOW else 0.0)

    def _create(self, device: _Device, folder: Path, link: Path) -> None:
        folder.mkdir(exist_ok=True)
        files = {
            "name": f"{device.device_id}\n",
            "resolution": f"{device.bits}\n",
            "conv_time": f"{CONVERSION_S[device.bits] * 1000:.0f}\n",
            "ext_power": "1\n",
            "alarms": "70 75\n",  # TL TH: 0x46 0x4b
            "temperature": f"{milli_celsius(device.data)}\n",
            "features": "0\n",
        }
        for name, text in files.items():
            replace_file(folder / name, text.encode())
        if not link.is_symlink():
            link.symlink_to(Path(MASTER) / device.device_id)

    def _list_devices(self) -> None:
        there = [n for n, device in self._devices.items() if device.fault is not Fault.MISSING]
        master = self.root / MASTER
        slaves = "".join(f"{name}\n" for name in there) or "not found.\n"
        replace_file(master / "w1_master_name", f"{MASTER}\n".encode())
        replace_file(master / "w1_master_slaves", slaves.encode())
        replace_file(master / "w1_master_slave_count", f"{len(there)}\n".encode())


@dataclass(slots=True)
class IioTree:
    """An ADS1115 as `iio:device0` under `root`; `inputs` maps input numbers to millivolts now."""

    root: Path
    inputs: Mapping[int, Callable[[], float]]
    _faults: dict[int, Fault] = field(init=False, default_factory=dict)

    def start(self) -> None:
        """Write the whole tree."""
        folder = self._folder
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / "name", b"ads1115\n")
        for number in self.inputs:
            replace_file(folder / f"in_voltage{number}_scale", f"{ADS1115_SCALE_MV}\n".encode())
        self.update()

    def update(self) -> None:
        """Convert every input now, as the part does all the time."""
        for number, millivolts in self.inputs.items():
            path = self._folder / f"in_voltage{number}_raw"
            match self._faults.get(number):
                case Fault.EMPTY:
                    replace_file(path, b"")
                case Fault.MISSING:
                    remove_file(path)
                case Fault.ZEROS:
                    replace_file(path, b"0\n")
                case Fault.FROZEN:
                    pass
                case _:
                    code = round(millivolts() / ADS1115_SCALE_MV)
                    replace_file(path, f"{max(-32768, min(32767, code))}\n".encode())

    def set_fault(self, number: int, fault: Fault | None) -> None:
        """Let `fault` begin, or end (None), with the next update."""
        if fault is None:
            self._faults.pop(number, None)
        else:
            self._faults[number] = fault

    @property
    def _folder(self) -> Path:
        return self.root / "iio:device0"
