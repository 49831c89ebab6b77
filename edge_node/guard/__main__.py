"""`smart-beer-guard`: pulse the enable line while the node beats."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edge_node import service_manager
from edge_node.guard.line import FileLine, GpioLine
from edge_node.guard.pulse import Pulse

PERIOD_S: Final = 0.1


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal; 2 after a sentence on stderr if the line cannot be had."""
    parser = argparse.ArgumentParser(prog="smart-beer-guard", description=__doc__)
    parser.add_argument("--heartbeat", type=Path, required=True, metavar="FILE")
    parser.add_argument("--window", type=float, default=2.0, metavar="S", help="0.5 to 10 s")
    line = parser.add_mutually_exclusive_group(required=True)
    line.add_argument("--gpio", metavar="CHIP:LINE", help="such as /dev/gpiochip0:25")
    line.add_argument("--file", type=Path, metavar="FILE", help="of a simulated brewery")
    arguments = parser.parse_args(argv)
    if not 0.5 <= arguments.window <= 10:
        parser.error("--window must be from 0.5 to 10 seconds")
    try:
        run(_line(arguments), arguments.heartbeat, round(arguments.window * 1000))
    except (OSError, ValueError) as err:
        # The pulses have ended with this process, so what they enabled is off.
        print(f"The enable line cannot be driven: {err}", file=sys.stderr)  # noqa: T201
    return 2


def run(line: GpioLine | FileLine, heartbeat: Path, window_ms: int) -> None:
    """Pulse `line`, for ever; OSError if it cannot be driven."""
    pulse = Pulse(window_ms)
    line.set(False)
    service_manager.notify("READY=1")
    while True:
        try:
            text = heartbeat.read_text("ascii")
        except (OSError, UnicodeDecodeError):
            text = ""  # no node, no beat
        line.set(pulse.step(time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000, text))
        service_manager.notify("WATCHDOG=1")
        time.sleep(PERIOD_S)


def _line(arguments: argparse.Namespace) -> GpioLine | FileLine:
    if arguments.file is not None:
        return FileLine(arguments.file)
    chip, _, offset = arguments.gpio.rpartition(":")
    return GpioLine(Path(chip), int(offset))


if __name__ == "__main__":
    sys.exit(main())
