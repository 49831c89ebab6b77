"""The bridge's folder: who may use it, and how to reach the bridge that does."""

import fcntl
import json
import os
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

RUNTIME: Final = "runtime.json"


class DataDirError(Exception):
    """The folder cannot be used; the text says why and what to do."""


class DataDirLock:
    """Holds a data_dir for one bridge; the kernel lets go of it however the process ends."""

    def __init__(self, data_dir: Path) -> None:
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as err:
            raise DataDirError(f"data_dir {data_dir} cannot be used: {err.strerror}") from err
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            pid = os.read(self._file, 20).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            raise DataDirError(
                f"Another bridge (process {pid}) is running on data_dir {data_dir}: "
                "stop it first, or give this one its own data_dir"
            ) from err
        os.ftruncate(self._file, 0)
        os.write(self._file, str(os.getpid()).encode())

    def release(self) -> None:
        """Let go."""
        os.close(self._file)


def write_private(path: Path, text: str) -> None:
    """Replace a file by one that only its owner can read (0600)."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_runtime(data_dir: Path, url: str, secret: str) -> None:
    """Say how to reach the running bridge."""
    write_private(
        data_dir / RUNTIME, json.dumps({"pid": os.getpid(), "url": url, "secret": secret})
    )


def read_runtime(data_dir: Path) -> dict[str, Any] | None:
    """`{pid, url, secret}` of the bridge that runs, or ran last; None when unknown."""
    try:
        found = json.loads((data_dir / RUNTIME).read_text(encoding="utf-8"))
    except OSError, ValueError:
        return None
    return found if isinstance(found, dict) and {"pid", "url", "secret"} <= found.keys() else None
