"""The guard of a simulated node, which ends with the simulation: `PARENT ARGUMENTS...`."""

import ctypes
import os
import signal
import sys
from typing import Final

from edge_node.guard.__main__ import main

_PR_SET_PDEATHSIG: Final = 1

if __name__ == "__main__":
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the simulation of this guard is gone")
    sys.exit(main(sys.argv[2:]))
