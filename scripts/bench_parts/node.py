"""What a node costs its card and its processor: at its true rate, and its spool sped up.

The spool's figures come from two child processes that commit the same ticks of eight readings, one
commit a tick: our spool, and a plain SQLite table as one would write it down first.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from .node_under_test import CHANNELS, NodeUnderTest, running_node, session
from .table import Report
from .usage import Usage

if TYPE_CHECKING:
    from pathlib import Path

TITLE = "a node of eight channels at 1 Hz, per million samples"
SECONDS: Final = 40
TICKS: Final = 20_000
_SETTLE_S: Final = 6.0  # past a sync of the spool, which comes every five seconds


async def run(folder: Path) -> Report:
    """The real node first, then the two spools beside each other."""
    used, count = await _true_rate(folder / "node")
    ours, plain = await asyncio.gather(_spool("spool", folder), _spool("plain", folder))
    report = Report()
    million = 1e6 / count
    report.add(
        "CPU of the whole process, one client streaming",
        f"{used.cpu_s * million:,.0f} s ({used.cpu_s / SECONDS:.1%} of one core)",
    )
    report.add("written by the whole process", _both(used.wchar, used.write_bytes, count))
    report.add(
        "CPU of committing alone (sped up)",
        f"{ours['cpu_s'] / ours['samples'] * 1e6:,.0f} s",
        peer=f"{plain['cpu_s'] / plain['samples'] * 1e6:,.0f} s",
    )
    report.add(
        "written by committing alone (sped up)",
        _both(ours["wchar"], ours["write_bytes"], ours["samples"]),
        peer=_both(plain["wchar"], plain["write_bytes"], plain["samples"]),
    )
    report.add(
        "growth of the file",
        f"{ours['bytes'] / ours['samples']:.1f} bytes a sample",
        peer=f"{plain['bytes'] / plain['samples']:.1f} bytes a sample",
    )
    report.add(
        "write amplification (to the disk / growth)",
        f"{ours['write_bytes'] / ours['bytes']:.1f}",
        peer=f"{plain['write_bytes'] / plain['bytes']:.1f}",
    )
    report.figures |= {
        "true_rate": {
            "cpu_s": used.cpu_s,
            "wchar": used.wchar,
            "write_bytes": used.write_bytes,
            "samples": count,
            "seconds": SECONDS,
        },
        "spool": ours,
        "plain_sqlite": plain,
    }
    report.notes += [
        "`calls` is what the process handed to write(), `disk` what the kernel set out to store.",
        f"True rate: {SECONDS} s. Sped up: {TICKS:,} ticks, a commit each, every fifth synced.",
        "Peer: one plain SQLite table with text series and an index, default settings.",
    ]
    return report


def _both(calls: float, disk: float, samples: float) -> str:
    return f"{calls / samples:,.0f} MB calls, {disk / samples:,.0f} MB disk"


async def _true_rate(folder: Path) -> tuple[Usage, int]:
    async with running_node(folder) as node:
        reader = asyncio.create_task(_follow(node))
        try:
            await asyncio.sleep(_SETTLE_S)
            before = Usage.of(node.pid)
            await asyncio.sleep(SECONDS)
            used = Usage.of(node.pid).since(before)
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader
    return used, SECONDS * len(CHANNELS)


async def _follow(node: NodeUnderTest) -> None:
    async with (
        session(node) as http,
        http.get("/v1/samples", params={"stream": "1"}) as response,
    ):
        async for line in response.content:
            json.loads(line)


async def _spool(way: str, folder: Path) -> dict[str, Any]:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "scripts.bench_parts.spool_child", way, str(folder / way)),
        str(TICKS),
        stdout=subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(150):
            out, _ = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0:
        raise RuntimeError(f"committing to {way} ended with {child.returncode}")
    answer: dict[str, Any] = json.loads(out)
    return answer
