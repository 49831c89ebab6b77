"""What the Linux kernel says about time: clocks, its boot, and whether the wall clock is right."""

import ctypes
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

# From <sys/timex.h>.
_TIME_ERROR: Final = 5
_STA_UNSYNC: Final = 0x0040
_STA_NANO: Final = 0x2000


class _Timex(ctypes.Structure):
    """The head of `struct timex`; the kernel may write up to the whole of it (208 bytes)."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    ]


@dataclass(frozen=True, slots=True)
class Sync:
    """Whether the kernel holds its wall clock for right, and how far it still is off (ms)."""

    synchronised: bool
    offset_ms: float | None


class TimeSource(Protocol):
    """Where a clock gets its figures."""

    def boot(self) -> str:
        """An id of this kernel's boot."""

    def mono_ms(self) -> int:
        """CLOCK_BOOTTIME in ms: it runs on through suspend and never steps."""

    def wall_ms(self) -> int:
        """The system's wall clock in UTC ms, right or wrong."""

    def sync(self) -> Sync:
        """Whether the wall clock is right."""


class KernelTime:
    """The running kernel. Reading needs no privilege; nothing here changes the system's clock."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)

    def boot(self) -> str:
        """The kernel's random boot id."""
        return _BOOT_ID.read_text("ascii").strip()

    def mono_ms(self) -> int:
        """CLOCK_BOOTTIME in ms."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def wall_ms(self) -> int:
        """CLOCK_REALTIME in ms."""
        return time.time_ns() // 1_000_000

    def sync(self) -> Sync:
        """What adjtimex(2) says; a kernel that may not be asked counts as not synchronised."""
        timex = _Timex()
        result = self._libc.adjtimex(ctypes.byref(timex))
        if result < 0 or result == _TIME_ERROR or timex.status & _STA_UNSYNC:
            return Sync(synchronised=False, offset_ms=None)
        unit = 1_000_000 if timex.status & _STA_NANO else 1_000
        return Sync(synchronised=True, offset_ms=timex.offset / unit)
