"""Small private files that several processes of one node read and write."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_TIMEOUT_S = 5.0  # a holder needs milliseconds; longer means that it hangs


class SecretFileError(Exception):
    """A private file of the node could not be read, locked or written; the text says which."""


def signature(path: Path) -> tuple[int, int, int] | None:
    """What changes whenever the file is replaced; None while there is no file."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the file's object, or None if there is no file.

    Raises SecretFileError if the file cannot be read or does not hold a JSON object.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as err:
        raise SecretFileError(f"{path} cannot be read: {err}") from err
    if not isinstance(content, dict):
        raise SecretFileError(f"{path} does not hold a JSON object")
    return content


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace the file durably, mode 0600; readers see the old or the new content, never a part.

    Raises SecretFileError if it cannot be written; the old file is then untouched.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(json.dumps(content, indent=1).encode())
                file.flush()
                _belong_to_folder(file.fileno(), path.parent)
                os.fsync(file.fileno())
            os.rename(name, path)  # noqa: PTH104 - mkstemp hands out a name, not a Path
        except BaseException:
            os.unlink(name)  # noqa: PTH108 - as above
            raise
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as err:
        raise SecretFileError(f"{path} cannot be written: {err}") from err


def _belong_to_folder(descriptor: int, folder: Path) -> None:
    """Let the folder's owner, the service, read what `sudo smart-beer-edge pair` wrote."""
    owner = folder.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def move_aside(path: Path, suffix: str) -> None:
    """Keep a file that cannot be used under another suffix; SecretFileError if that fails."""
    try:
        path.replace(path.with_suffix(suffix))
    except OSError as err:
        raise SecretFileError(f"{path} cannot be moved aside: {err}") from err


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that belongs to the file, so that read, change and write are one step.

    Blocks the calling thread up to LOCK_TIMEOUT_S; raises SecretFileError after that.
    """
    lock = path.with_name(f".{path.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as err:
        raise SecretFileError(f"{lock} cannot be opened: {err}") from err
    try:
        _belong_to_folder(descriptor, path.parent)
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise SecretFileError(
                        f"{path} is locked by another process that does not finish; "
                        "look for a hanging smart-beer-edge command"
                    ) from None
                time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)
