"""Child processes with a log file each, that can be killed hard and started again."""

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class ChildDiedError(RuntimeError):
    """A child ended although it should be running; the message holds the end of its log."""


class Child:
    """One process: its command, its log, and the environment that it runs in."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        stdout: int | None = None,
    ) -> None:
        self.name = name
        self.command = [str(part) for part in command]
        self.log = log
        self.environment = environment or {}
        self.stdout = stdout
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process last started; raises if there was none."""
        if self._process is None:
            raise ChildDiedError(f"{self.name} was never started")
        return self._process

    def start(self) -> None:
        """Start it in a process group of its own: a Ctrl-C reaches it only through `stop`."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log if self.stdout is None else self.stdout,
                stderr=log,
                env=os.environ | self.environment,
                start_new_session=True,
            )

    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def check(self) -> None:
        """Raise ChildDiedError with the end of the log if it is not running."""
        if not self.running():
            raise ChildDiedError(
                f"{self.name} ended with code {self.process.returncode}; "
                f"its log {self.log} ends:\n{self.tail()}"
            )

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process itself (not to its group)."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Send SIGKILL, and wait until it is gone."""
        self.process.kill()
        self.process.wait(30)

    def stop(self, patience: float = 30) -> None:
        """SIGTERM; after `patience` seconds SIGKILL to it and what it left in its group."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(10)
        if self._process.stdout is not None:
            self._process.stdout.close()


def stop_all(children: Sequence[Child]) -> None:
    """Ask all to stop at once, then wait for each."""
    for child in children:
        if child.running():
            child.signal(signal.SIGTERM)
    deadline = time.monotonic() + 40
    for child in children:
        child.stop(max(1.0, deadline - time.monotonic()))
