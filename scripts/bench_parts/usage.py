"""What a process has used so far, as Linux counts it in /proc."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds of CPU (all threads; the main one), bytes written (calls; what went to the disk)."""

    cpu_s: float
    main_thread_s: float
    wchar: int
    write_bytes: int

    @classmethod
    def of(cls, pid: int) -> Self:
        """Of a living process, up to now."""
        folder = Path("/proc") / str(pid)
        # After the command in parentheses, which may hold blanks: fields 14 and 15 of proc(5).
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        io = dict(line.split(": ") for line in (folder / "io").read_text().splitlines())
        on_cpu = (folder / "task" / str(pid) / "schedstat").read_text().split()[0]
        return cls(
            cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS,
            main_thread_s=int(on_cpu) / 1e9,
            wchar=int(io["wchar"]),
            write_bytes=int(io["write_bytes"]),
        )

    def since(self, before: Self) -> Self:
        """What was used in between."""
        return type(self)(
            self.cpu_s - before.cpu_s,
            self.main_thread_s - before.main_thread_s,
            self.wchar - before.wchar,
            self.write_bytes - before.write_bytes,
        )
