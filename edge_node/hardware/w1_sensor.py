"""One DS18B20 (or relative) through w1thermsensor, with the cause of every failure by name."""

import errno
import logging
import os
from pathlib import Path
from typing import Any, Final

# Importing it would otherwise load kernel modules, and fail where there is no 1-Wire.
os.environ.setdefault("W1THERMSENSOR_NO_KERNEL_MODULE", "1")

from w1thermsensor import Sensor, W1ThermSensor

from edge_node.hardware import scratchpad
from edge_node.hardware.probe_error import ProbeError

_LOGGER = logging.getLogger(__name__)

FAMILIES: Final = {
    0x10: "DS18S20",
    0x22: "DS1822",
    0x28: "DS18B20",
    0x3B: "DS1825",
    0x42: "DS28EA00",
}
_FIXED_RESOLUTION: Final = 0x10
_WITHOUT_BULK: Final = 0x42  # the kernel's driver has no bulk conversion for it


class W1Sensor(W1ThermSensor):  # type: ignore[misc]  # untyped package
    """A probe below any root; it need not be there yet. Everything here blocks for its file."""

    # A true 85.0 is met on every way to the boil; whether it is one is decided elsewhere.
    SENSOR_RESET_VALUE = None

    def __init__(self, root: Path, device: str) -> None:
        family, _, number = device.partition("-")
        self.BASE_DIRECTORY = root
        self.family = int(family, 16)
        self.device = device
        self.raw_lines: list[str] = []
        super().__init__(Sensor(self.family), number)

    @property
    def folder(self) -> Path:
        """The device's folder."""
        return Path(self.sensorpath).parent

    @property
    def bulk_capable(self) -> bool:
        """Whether a bulk conversion of its bus includes this part."""
        return self.family != _WITHOUT_BULK

    def exists(self) -> bool:
        """True: a probe may come and go, and a read says so."""
        return True

    def get_raw_sensor_strings(self) -> list[str]:
        """The lines of `w1_slave`; ProbeError names why they give no temperature."""
        try:
            self.raw_lines = Path(self.sensorpath).read_text(encoding="ascii").splitlines()
        except FileNotFoundError as err:
            raise ProbeError("missing", f"{self.folder} is not there") from err
        except UnicodeDecodeError as err:
            raise ProbeError("short", f"{self.sensorpath} holds no text") from err
        except OSError as err:
            if err.errno in {errno.ENODEV, errno.ENXIO}:  # went while it was read
                raise ProbeError("missing", f"{self.folder} has gone") from err
            raise ProbeError("io", f"{self.sensorpath} cannot be read: {err}") from err
        if cause := scratchpad.fault(self.raw_lines):
            raise ProbeError(cause, f"{self.sensorpath} gives no temperature: {cause}")
        return self.raw_lines

    def read(self) -> tuple[float, bool]:
        """Temperature in °C, and whether the other bytes look like a real conversion's."""
        value: Any = self.get_temperature()
        data = scratchpad.parse(self.raw_lines[0])
        assert data is not None
        return float(value), scratchpad.looks_genuine(data)

    def prepare(self, bits: int) -> str | None:
        """Set the resolution where it differs (EEPROM wears out) and return the power mode.

        ProbeError(missing) if the probe is not there.
        """
        if not self.folder.is_dir():
            raise ProbeError("missing", f"{self.folder} is not there")
        if self.family != _FIXED_RESOLUTION:
            self._set_resolution_file(bits)
        return self.power_mode()

    def power_mode(self) -> str | None:
        """`external`, `parasite`, or None where the kernel does not tell."""
        try:
            power = (self.folder / "ext_power").read_text().strip()
        except OSError:
            return None
        return {"1": "external", "0": "parasite"}.get(power)

    def _set_resolution_file(self, bits: int) -> None:
        resolution = self.folder / "resolution"
        try:
            if resolution.read_text().strip() != str(bits):
                resolution.write_text(f"{bits}\n")
        except OSError as err:
            _LOGGER.warning(
                "Probe %s keeps its resolution: %s; allow the node's user to write that file",
                self.device,
                err,
            )


def find_master(root: Path, device: str) -> Path | None:
    """The folder of the bus master on which the device hangs; None if none knows it.

    Where the device folder is a link, as in a real kernel, it leads there; else the master's
    list of slaves names it.
    """
    folder = root / device
    if folder.is_symlink():
        parent = folder.resolve().parent
        if parent.name.startswith("w1_bus_master") and folder.exists():
            return root / parent.name if (root / parent.name).is_dir() else parent
    for master in sorted(root.glob("w1_bus_master*")):
        try:
            slaves = (master / "w1_master_slaves").read_text().split()
        except OSError:
            continue
        if device in slaves:
            return master
    return None
