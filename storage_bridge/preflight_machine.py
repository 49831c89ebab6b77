"""Reads of this computer what the preflight judges."""

import ctypes
import os
import shutil
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from .preflight import Machine, Port, kib_of, processor_flags

# Where the compose files let each part listen.
PORTS: Final[Mapping[str, tuple[int, ...]]] = {
    "home-assistant": (8123,),
    "bridge": (8555,),
    "redis": (6379,),
    "mongo": (27017,),
    "cassandra": (9042,),
    "sentinel": (26379,),
}
# What the members of a pair open besides, as pair.yaml and third.yaml run on the computer's own
# network: Cassandra's for its peers and, on 127.0.0.1, for nodetool.
PAIR_PORTS: Final[Mapping[str, tuple[int, ...]]] = {"cassandra": (7000, 7199)}
_STA_UNSYNC: Final = 0x0040  # <sys/timex.h>
_TIME_ERROR: Final = 5


def read(
    parts: Iterable[str], *, folder: Path, pair: bool = False, proc: Path = Path("/proc")
) -> Machine:
    """What this computer is; `folder` is where data goes (or its nearest parent that exists).

    With `pair` the ports of these parts are looked at as a member of a pair opens them.
    """
    meminfo = _text(proc / "meminfo")
    sysctl = proc / "sys" / "vm"
    return Machine(
        machine=os.uname().machine,
        features=processor_flags(_text(proc / "cpuinfo")),
        memory=kib_of(meminfo, "MemTotal"),
        memory_free=kib_of(meminfo, "MemAvailable"),
        swap=kib_of(meminfo, "SwapTotal"),
        page=os.sysconf("SC_PAGE_SIZE"),
        max_map_count=_number(sysctl / "max_map_count"),
        overcommit=_number(sysctl / "overcommit_memory"),
        clock_synchronised=clock_synchronised(),
        disk_free=_disk_free(folder),
        ports=tuple(
            Port(part, number, taken(number, every_address=pair))
            for part in parts
            for number in (*PORTS.get(part, ()), *(PAIR_PORTS.get(part, ()) if pair else ()))
        ),
    )


def taken(port: int, *, every_address: bool = False) -> bool:
    """Whether something listens on this port of 127.0.0.1, or of all addresses.

    With `every_address` also whether it listens on any other single one.
    """
    with socket.socket() as probe:
        # What a closed connection left behind does not keep a server from listening.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("" if every_address else "127.0.0.1", port))
        except OSError:
            return True
        return False


def clock_synchronised() -> bool | None:
    """What the kernel says of its clock (adjtimex, which needs no rights to be read)."""

    class Timex(ctypes.Structure):
        # The head of struct timex; modes 0 changes nothing. 64 words are more than any kernel's.
        _fields_ = (
            ("modes", ctypes.c_uint),
            ("offset", ctypes.c_long),
            ("freq", ctypes.c_long),
            ("maxerror", ctypes.c_long),
            ("esterror", ctypes.c_long),
            ("status", ctypes.c_int),
            ("rest", ctypes.c_long * 64),
        )

    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except AttributeError, OSError:
        return None
    timex = Timex()
    state = int(adjtimex(ctypes.byref(timex)))
    if state < 0:
        return None
    return state != _TIME_ERROR and not timex.status & _STA_UNSYNC


def _disk_free(folder: Path) -> int | None:
    for one in (folder, *folder.parents):
        try:
            return shutil.disk_usage(one).free
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None
