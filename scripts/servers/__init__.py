"""Real servers of the stores, as child processes on loopback with folders and ports of their own.

`scripts/setup` fetches them into `.cache`; for demonstrations, tests and benchmarks.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CACHE = Path(__file__).parents[2] / ".cache"
HOST = "127.0.0.1"
START_S = 180.0  # a server that is not there after this long never will be
STOP_S = 30.0
_TAIL = 4000  # characters


class ServerError(RuntimeError):
    """A server did not come up; the text holds the end of what it said."""


class MissingServerError(RuntimeError):
    """There is no program to start; the text says what to do."""

    def __init__(self, store: str, why: str) -> None:
        super().__init__(f"{store}: {why}")
        self.store = store
        self.why = why


def program(name: str, folder: str) -> Path | None:
    """A server's program: as fetched into `.cache/<folder>/bin`, else from the PATH."""
    fetched = CACHE / folder / "bin" / name
    if fetched.exists():
        return fetched
    found = shutil.which(name)
    return None if found is None else Path(found)


def _ports() -> Iterator[int]:
    """Each port once, in blocks that are this process's until it ends."""
    blocks = range(20_000, 32_000, 100)  # below the ports that outgoing connections get
    first = os.getpid() % len(blocks)
    claims: list[socket.socket] = []
    for block in (*blocks[first:], *blocks[:first]):
        claims.append(socket.socket(socket.AF_UNIX))
        try:
            # A name without a file, which goes with the process.
            claims[-1].bind(f"\0smart-beer-ports-{block}")
        except OSError:
            claims.pop().close()
        else:
            yield from range(block, block + blocks.step)


_untried = _ports()


def free_port(host: str = HOST) -> int:
    """A port that nobody listens on, and that nobody else gets while its server is away.

    Neither this process nor another one that asks here is given it again, and no outgoing
    connection is.
    """
    for port in _untried:
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
        return port
    raise RuntimeError("no free port between 20000 and 32000")


def answers(host: str, port: int) -> bool:
    """Whether something takes connections there."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


class Child:
    """A server process in a group of its own; its output goes to `<folder>/output`.

    `ready()` says whether it answers. `start` raises ServerError with its output when it does
    not come up; `stop` and `kill` return once it is gone, and `start` starts it again. `every` has
    all that were started, for those who tell of them.
    """

    every: ClassVar[WeakSet[Child]] = WeakSet()

    def __init__(
        self,
        command: Sequence[object],
        folder: Path,
        ready: Callable[[], bool],
    ) -> None:
        self.folder = folder
        self.output = folder / "output"
        self._command = [str(part) for part in command]
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process; raises ServerError if it was never started."""
        if self._process is None:
            raise ServerError(f"{self._command[0]} was never started")
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.spawn()
        self.wait_ready()

    def spawn(self) -> None:
        """Start it, no more."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.every.add(self)
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Wait until it answers; ends it when it does not."""
        assert self._process is not None
        deadline = time.monotonic() + START_S
        while not self._ready():
            ended = self._process.poll()
            if ended is not None or time.monotonic() > deadline:
                self.kill()
                how = f"has not answered in {START_S:g} s" if ended is None else f"ended ({ended})"
                raise ServerError(f"{self._command[0]} {how}; {self.output} ends:\n{self.tail()}")
            time.sleep(0.05)

    def tail(self) -> str:
        """The end of what it said, in whole lines."""
        text = self.output.read_text(errors="replace")
        return text if len(text) <= _TAIL else text[-_TAIL:].partition("\n")[2]

    def stop(self) -> None:
        """End it as an operator would; what does not end is killed."""
        if self._process is None:
            return
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait(STOP_S)

    def pause(self) -> None:
        """It hangs: connections stay open and nothing is answered."""
        self._signal(signal.SIGSTOP)
        if self.running and self._process is not None:
            # The signal is sent, not yet obeyed: a thread may still answer something.
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """It goes on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.running and self._process is not None:
            os.killpg(self._process.pid, number)
