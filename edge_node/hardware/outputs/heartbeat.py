"""The node's sign of life for the guard, given only by a complete and healthy tick."""

import logging
import os
import secrets
from pathlib import Path

_LOGGER = logging.getLogger(__name__)


class Heartbeat:
    """Counts in `path`, a file in memory (/run), which `smart-beer-guard` reads.

    The file holds `<session> <count>`: the guard counts a beat where the number has grown within
    one session. It is written in place, so a full disk cannot stop it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._session = secrets.token_hex(8)
        self._count = 0
        self._descriptor: int | None = None
        self.problem: str | None = None

    def beat(self) -> None:
        """Count one; a file that cannot be written is a `problem`, and the guard then drops."""
        self._count += 1
        try:
            if self._descriptor is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
                self._descriptor = os.open(self._path, flags, 0o640)
            os.pwrite(self._descriptor, f"{self._session} {self._count:020d}\n".encode(), 0)
        except OSError as err:
            if self.problem is None:
                _LOGGER.error("The guard gets no heartbeat: %s: %s", self._path, err)  # noqa: TRY400
            self.problem = f"{self._path} cannot be written: {err}"
        else:
            self.problem = None

    def close(self) -> None:
        """Beat no more."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def open_heartbeat() -> Heartbeat | None:
    """The heartbeat in the folder that the service manager made for the node in memory.

    `RUNTIME_DIRECTORY` as in systemd.exec(5); None without it: nothing guards such a node.
    """
    folder = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Heartbeat(Path(folder) / "heartbeat") if folder else None
