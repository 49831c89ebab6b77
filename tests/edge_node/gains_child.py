"""A node's outputs whose disk fills up while gains that an autotune found are applied.

Its own files then refuse to grow: a limit of the kernel's, of this process alone. It prints what it
was told and did, one JSON object a line. Run as `python -m tests.edge_node.gains_child FOLDER`.
"""

import json
import resource
import sys
from pathlib import Path
from typing import Any, Final

from edge_node.control.autotune import AutotuneResult
from edge_node.lease import Refused
from tests.edge_node.actuation_bench import Bench

FILE_BYTES: Final = 100  # a pin's level is shorter, all that is kept is longer
FOUND: Final = AutotuneResult(
    ku=40.0, pu_s=80.0, kp=18.0, ti_s=176.0, td_s=12.7, rule="r", confidence=0.9, cycles=3
)


def shown(bench: Bench, answer: Any = None) -> None:
    """Print how its controller, its output and its alarms are."""
    controller = bench.state["controllers"]["c"]
    said = {
        "answer": [answer.status, answer.code] if isinstance(answer, Refused) else None,
        "mode": controller["mode"],
        "gains": controller["state"]["gains"],
        "kp": controller["state"]["kp"],
        "heater": bench.core.output_state("heater"),
        "alarms": bench.actuation.alarms(),
    }
    sys.stdout.write(json.dumps(said) + "\n")


def main(folder: Path) -> None:
    """Regulate, apply with a full disk, go on regulating, and find room again."""
    bench = Bench(folder)
    bench.lead()
    bench.switch("pump", True)
    bench.control(mode="auto", setpoint=70)
    bench.run(10)
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    bench.core.loops["c"].tuned = FOUND
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, usual[1]))
    answer = bench.control(autotune="apply")
    bench.run(30)
    shown(bench, answer)
    bench.actuation.gains.keep()
    shown(bench)
    resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    bench.actuation.gains.keep()
    bench.run(5)
    shown(bench)
    bench.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
