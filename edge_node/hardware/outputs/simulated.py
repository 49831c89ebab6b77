"""Pins of a simulated node: a file each, which the simulated brewery reads or a person writes.

An output's file holds its level, 100 or 0. It is written in place, so that a full disk cannot keep
an output on. An input's file holds 1 (closed) or 0 (open).
"""

import os
from pathlib import Path

from edge_node.hardware.outputs.pin import PinError

_ON, _OFF = b"100\n", b"  0\n"  # of one length: a write replaces all of the other


def read_level(path: Path) -> float | None:
    """The level in an output's file, 0-100 percent; None without a readable one."""
    try:
        return min(100.0, max(0.0, float(path.read_bytes())))
    except (FileNotFoundError, ValueError):
        return None


class LevelFile:
    """An output whose level stands in `path`."""

    def __init__(self, path: Path, *, on: bool) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as err:
            raise PinError(f"the level file {path} cannot be opened: {err}") from err
        try:
            self.set(on)
        except PinError:
            self.close()
            raise

    def set(self, on: bool) -> None:
        """Write the level; PinError."""
        try:
            os.pwrite(self._descriptor, _ON if on else _OFF, 0)
        except OSError as err:
            raise PinError(f"the level file {self._path} cannot be written: {err}") from err

    def get(self) -> bool:
        """The level that whoever opens the file finds; PinError."""
        level = read_level(self._path)
        if level is None:
            raise PinError(f"the level file {self._path} has gone or holds no level")
        return level > 0

    def close(self) -> None:
        """Close the file; the level stays in it."""
        os.close(self._descriptor)


class ContactFile:
    """An input whose contact stands in `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def closed(self) -> bool:
        """Whether the file says closed; PinError if it says nothing."""
        try:
            text = self._path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as err:
            raise PinError(f"the contact file {self._path} cannot be read: {err}") from err
        if text not in {"0", "1"}:
            raise PinError(f"the contact file {self._path} must hold 1 (closed) or 0 (open)")
        return text == "1"

    def close(self) -> None:
        """There is nothing to let go of."""
