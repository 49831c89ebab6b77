"""Industrial I/O inputs (ADS1115 and the like) with a pressure transducer at their end.

Files and units as in Linux `Documentation/ABI/testing/sysfs-bus-iio`: (raw + offset) * scale is
millivolts, or milliamperes for a current input.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from edge_node.hardware.probe_error import ProbeError

_CURRENT = re.compile(r"current\d")
# Broken or shorted wire. 4-20 mA: below 3.6 or above 21 mA (NAMUR NE 43); volts: a sixteenth of
# the span, which is 0.25 V beyond 0.5-4.5 V.
_BELOW_MA, _BEYOND = 1 / 40, 1 / 16


@dataclass(frozen=True, slots=True)
class Span:
    """What a transducer's signal means: `low`..`high` volts or mA are `to_low`..`to_high`."""

    low: float
    high: float
    to_low: float
    to_high: float
    milliamperes: bool = False

    def value(self, signal: float) -> float:
        """What `signal` means; ProbeError(range) where only a broken wire gives such a signal."""
        width = self.high - self.low
        lowest = self.low - width * (_BELOW_MA if self.milliamperes else _BEYOND)
        highest = self.high + width * _BEYOND
        if not lowest <= signal <= highest:
            unit = "mA" if self.milliamperes else "V"
            raise ProbeError(
                "range", f"{signal:.3f} {unit} is outside {lowest:.2f}-{highest:.2f}: broken wire?"
            )
        return self.to_low + (signal - self.low) / width * (self.to_high - self.to_low)


@dataclass(frozen=True, slots=True)
class IioInput:
    """One input, `device` and `name` as in the configuration.

    `shunt_ohms`: the resistor that makes volts of a transducer's milliamperes, if there is one.
    """

    root: Path
    device: str
    name: str
    shunt_ohms: float | None = None

    @property
    def milliamperes(self) -> bool:
        """Whether `signal` is milliamperes; else it is volts."""
        return self.shunt_ohms is not None or bool(_CURRENT.match(self.name))

    def signal(self) -> float:
        """Volts or milliamperes now; ProbeError names the cause. Blocks for the conversion."""
        raw = self._number("raw")
        if raw is None:
            raise ProbeError("missing", f"{self._path('raw')} is not there")
        scale = self._number("scale")
        if scale is None:
            scale = self._shared_scale()
        milli = (raw + (self._number("offset") or 0.0)) * scale
        if _CURRENT.match(self.name):
            return milli
        return milli / self.shunt_ohms if self.shunt_ohms is not None else milli / 1000

    def _shared_scale(self) -> float:
        """The scale that all inputs of a kind share."""
        kind = self.name.rstrip("0123456789")
        scale = _read_number(self.root / self.device / f"in_{kind}_scale")
        if scale is None:
            raise ProbeError("missing", f"{self._path('scale')} is not there")
        return scale

    def _path(self, what: str) -> Path:
        return self.root / self.device / f"in_{self.name}_{what}"

    def _number(self, what: str) -> float | None:
        return _read_number(self._path(what))


def _read_number(path: Path) -> float | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as err:
        raise ProbeError("io", f"{path} cannot be read: {err}") from err
    if not text:
        raise ProbeError("empty", f"{path} is empty")
    try:
        return float(text)
    except ValueError as err:
        raise ProbeError("short", f"{path} holds {text!r}, which is no number") from err
