"""A process that drives outputs as a node's actuation does, tick by tick, all full on.

`python -m tests.edge_node.guard.tick_child CONFIG HEARTBEAT`. SIGUSR1: the tick hangs, the rest of
the process lives.
"""

import signal
import sys
import threading
import time
from pathlib import Path

from edge_node.hardware.outputs import Heartbeat, open_outputs
from edge_node.hardware.outputs.group import boottime_ms

TICK_S = 0.2


def main(config: Path, heartbeat: Path) -> None:
    hanging = threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: hanging.set())
    outputs, heart = open_outputs(config), Heartbeat(heartbeat)
    outputs.start()
    while not hanging.wait(TICK_S):
        for output in outputs.values():
            output.write(100, boottime_ms())
        outputs.beat(boottime_ms())
        heart.beat()
    while True:
        time.sleep(1)


main(Path(sys.argv[1]), Path(sys.argv[2]))
