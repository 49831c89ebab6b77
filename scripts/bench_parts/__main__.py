"""`scripts/bench`: see its --help."""

import argparse
import asyncio
import importlib
import logging
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

from . import table

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from .table import Report

CACHE: Final = Path(__file__).resolve().parents[2] / ".cache" / "bench"
NAMES: Final = (
    "bus",
    "latency",
    "node",
    "home-assistant",
    "bridge",
    "history",
    "storage",
    "control",
    "kill",
    "store-kill",
)
PARTS: Final = {"store-kill"}  # of others; run by themselves only when asked for


class Benchmark(Protocol):
    """What each module offers; `run` may use the folder, which is empty but for what it keeps."""

    TITLE: str

    def run(self, folder: Path) -> Coroutine[None, None, Report]:
        """Measure; takes up to three minutes."""
        ...


def main() -> int:
    """Run the benchmarks asked for, or all; 1 only if one could not be run."""
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("name", nargs="*", metavar="NAME", help=", ".join(NAMES))
    names: list[str] = parser.parse_args().name or [name for name in NAMES if name not in PARTS]
    if unknown := set(names) - set(NAMES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; choose from {', '.join(NAMES)}")
    logging.basicConfig(level=logging.ERROR)
    failed = False
    for name in names:
        module = importlib.import_module(f".{name.replace('-', '_')}", __package__)
        benchmark = cast("Benchmark", module)
        print(f"{name}: {benchmark.TITLE} ...", file=sys.stderr, flush=True)
        began = time.monotonic()
        work = CACHE / "work" / name
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            report = asyncio.run(benchmark.run(work))
        except (OSError, RuntimeError, TimeoutError) as error:
            print(f"{name} could not be measured: {error}", file=sys.stderr, flush=True)
            failed = True
            continue
        report.figures["took_s"] = round(time.monotonic() - began, 1)
        print(table.render(f"{name}: {benchmark.TITLE}", report), flush=True)
        table.store(CACHE / f"{name}.json", name, benchmark.TITLE, report)
        shutil.rmtree(work, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
