"""Commits ticks of eight readings as fast as it can, one commit a tick; prints what it used."""

import asyncio
import json
import os
import sqlite3
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from edge_node import spool_file
from edge_node.spool import Entry, Spool

from .usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHANNELS: Final = 8
_T0: Final = 1_790_000_000_000


def main() -> int:
    """`spool|plain FOLDER TICKS`."""
    way, folder, ticks = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    folder.mkdir(parents=True)
    if way == "spool":
        used = asyncio.run(_spool(folder / "spool.db", ticks))
    else:
        used = _plain(folder / "plain.db", ticks)
    print(json.dumps({**used, "samples": ticks * _CHANNELS}))
    return 0


def _ticks(count: int) -> Iterator[tuple[int, list[tuple[str, float]]]]:
    """Seconds, each with readings of 12-bit probes in a slow ramp."""
    for tick in range(count):
        yield (
            _T0 + tick * 1000,
            [
                (f"bench/temperature_{c + 1}", round(16 * (60 + tick / 600 + c / 7)) / 16)
                for c in range(_CHANNELS)
            ],
        )


async def _spool(path: Path, ticks: int) -> dict[str, Any]:
    # The spool syncs by the clock: let a tick count as the second that it stands for.
    now = [0.0]
    with patch.object(spool_file, "time", SimpleNamespace(monotonic=lambda: now[0])):
        spool = Spool(path, max_bytes=2**31, kernel_boot="bench")
        await spool.open()
        empty, before = spool.bytes, Usage.of(os.getpid())
        for t, values in _ticks(ticks):
            now[0] += 1.0
            last = spool.last_seq
            spool.submit([Entry(t, t - _T0, series, value, "ok") for series, value in values])
            while spool.last_seq < last + _CHANNELS:
                await spool.wait(last, 30)
        await spool.close()
        used = Usage.of(os.getpid()).since(before)
    return _result(used, path.stat().st_size - empty)


def _plain(path: Path, ticks: int) -> dict[str, Any]:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE sample (series TEXT, t INTEGER, value REAL, quality TEXT)")
    db.execute("CREATE UNIQUE INDEX by_key ON sample (series, t)")
    db.commit()
    empty, before = path.stat().st_size, Usage.of(os.getpid())
    for t, values in _ticks(ticks):
        db.executemany(
            "INSERT INTO sample VALUES (?, ?, ?, 'ok')",
            [(series, t, value) for series, value in values],
        )
        db.commit()
    used = Usage.of(os.getpid()).since(before)
    db.close()
    return _result(used, path.stat().st_size - empty)


def _result(used: Usage, grown: int) -> dict[str, Any]:
    return {
        "cpu_s": used.cpu_s,
        "wchar": used.wchar,
        "write_bytes": used.write_bytes,
        "bytes": grown,
    }


if __name__ == "__main__":
    sys.exit(main())
