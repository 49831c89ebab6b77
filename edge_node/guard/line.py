"""The enable line: a file of a simulated brewery, or a line of a GPIO chip without any library.

Source: Linux `include/uapi/linux/gpio.h`, the v2 requests for lines.
"""

import fcntl
import os
import struct
from pathlib import Path
from typing import Final

GET_LINE: Final = 0xC250B407
SET_VALUES: Final = 0xC010B40F
_FLAG_OUTPUT: Final = 8
_CONSUMER: Final = b"smart-beer-guard"
# 64 offsets, consumer, config (flags, number of attributes and no attributes: the line is claimed
# low), number of lines, buffer size, padding, file descriptor.
REQUEST: Final = struct.Struct("=I252x32sQI260xII20xi")
_VALUES: Final = struct.Struct("=QQ")  # bits, mask


class GpioLine:
    """Line `offset` of `chip`, an output that is low from the start; OSError if it is not ours."""

    def __init__(self, chip: Path, offset: int) -> None:
        request = bytearray(REQUEST.pack(offset, _CONSUMER, _FLAG_OUTPUT, 0, 1, 0, 0))
        descriptor = os.open(chip, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(descriptor, GET_LINE, request)
        finally:
            os.close(descriptor)
        self._line = int(REQUEST.unpack(request)[-1])

    def set(self, high: bool) -> None:
        """Drive the line; OSError."""
        fcntl.ioctl(self._line, SET_VALUES, bytearray(_VALUES.pack(high, 1)))


class FileLine:
    """A file that holds how often the line has changed; an odd number is high."""

    def __init__(self, path: Path) -> None:
        self._edges = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.pwrite(self._descriptor, b"%020d\n" % self._edges, 0)

    def set(self, high: bool) -> None:
        """Drive the line; OSError."""
        if (self._edges % 2 == 1) is not high:
            self._edges += 1
            os.pwrite(self._descriptor, b"%020d\n" % self._edges, 0)
