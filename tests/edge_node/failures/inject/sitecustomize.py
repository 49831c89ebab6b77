"""Faults of the computer itself, put below a node's own code in its own process.

Python imports a module of this name at its start. `SMART_BEER_INJECT` names a folder: what the
files in it say goes for the process from then on, as long as they are there.

`clock.json`: `{"offset_s": 3600, "synchronised": false}`, the wall clock is wrong by so much, and
whether the kernel holds it for right. Clocks that never step are left alone.
`boot.json`: `{"id": "2", "at_s": 21000.5}`, the computer has booted meanwhile: under another id, at
this moment of CLOCK_BOOTTIME, which begins anew. It is read once, when a process starts.
`crash.json`: `{"folder": "leases", "at": "file" | "folder", "when": "before" | "after"}`, the
process is killed by its next fsync of a file in a folder of that name, or of that folder itself.
"before" that of the folder, the rename before it is lost as well, as in a power cut.
"""

import ctypes
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_UNSYNCHRONISED = 0x0040  # STA_UNSYNC of <sys/timex.h>


def _said(folder: Path, name: str) -> dict[str, Any]:
    try:
        said: dict[str, Any] = json.loads((folder / name).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return said


def _bend_boot(boot: dict[str, Any]) -> None:
    real_text, real_gettime_ns = Path.read_text, time.clock_gettime_ns
    began_ns = round(boot["at_s"] * 1e9)

    def read_text(path: Path, *arguments: Any, **more: Any) -> str:
        return str(boot["id"]) if path.name == "boot_id" else real_text(path, *arguments, **more)

    def clock_gettime_ns(clock: int, /) -> int:
        return real_gettime_ns(clock) - (began_ns if clock == time.CLOCK_BOOTTIME else 0)

    Path.read_text = read_text  # type: ignore[method-assign, assignment]
    time.clock_gettime_ns = clock_gettime_ns


def _bend_clock(folder: Path) -> None:
    real_ns, real_gettime_ns = time.time_ns, time.clock_gettime_ns

    def time_ns() -> int:
        offset_s: float = _said(folder, "clock.json").get("offset_s", 0)
        return real_ns() + round(offset_s * 1e9)

    def clock_gettime_ns(clock: int, /) -> int:
        return time_ns() if clock == time.CLOCK_REALTIME else real_gettime_ns(clock)

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9
    time.clock_gettime_ns = clock_gettime_ns
    time.clock_gettime = lambda clock, /: clock_gettime_ns(clock) / 1e9


def _bend_adjtimex(folder: Path) -> None:
    real: Callable[[ctypes.CDLL, str], Any] = ctypes.CDLL.__getattr__

    def attribute(library: ctypes.CDLL, name: str) -> Any:
        found = real(library, name)  # which is an attribute from now on
        if name != "adjtimex":
            return found

        def adjtimex(timex: Any) -> int:
            synchronised = _said(folder, "clock.json").get("synchronised")
            if synchronised is None:
                return int(found(timex))
            timex._obj.status = 0 if synchronised else _UNSYNCHRONISED
            return 0

        setattr(library, name, adjtimex)
        return adjtimex

    ctypes.CDLL.__getattr__ = attribute  # type: ignore[method-assign]


def _bend_fsync(folder: Path) -> None:
    real = os.fsync
    before: dict[Path, bytes | None] = {}

    def crash(path: Path, lost: bool) -> None:
        (folder / "crash.json").unlink()
        if lost:
            for replaced, content in before.items():
                if replaced.parent == path and content is not None:
                    replaced.write_bytes(content)
        os.kill(os.getpid(), signal.SIGKILL)

    def fsync(fd: Any) -> None:
        said = _said(folder, "crash.json")
        if not said:
            real(fd)
            return
        path = Path(f"/proc/self/fd/{fd}").readlink()
        at_folder = path.is_dir()
        if not at_folder:  # its name is `.<target>.<random>`
            target = path.with_name(path.name[1:].rpartition(".")[0])
            before[target] = target.read_bytes() if target.exists() else None
        meant = (path if at_folder else path.parent).name == said["folder"]
        meant = meant and at_folder == (said["at"] == "folder")
        if meant and said["when"] == "before":
            crash(path, lost=at_folder)
        real(fd)
        if meant:
            crash(path, lost=False)

    os.fsync = fsync


if injected := os.environ.get("SMART_BEER_INJECT"):
    if boot := _said(Path(injected), "boot.json"):
        _bend_boot(boot)
    _bend_clock(Path(injected))
    _bend_adjtimex(Path(injected))
    _bend_fsync(Path(injected))
