"""The files that make up a spool on disk: the database, its write-ahead log, its index of that."""

import errno
import os
import sqlite3
from pathlib import Path


def corrupt(err: sqlite3.Error) -> bool:
    """Whether an error says that the file itself is broken."""
    code = getattr(err, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def is_full(err: Exception) -> bool:
    """Whether an error says that there is no room left."""
    if isinstance(err, OSError):
        return err.errno in {errno.ENOSPC, errno.EDQUOT}
    code = getattr(err, "sqlite_errorcode", None)
    return code is not None and code & 0xFF == sqlite3.SQLITE_FULL


def move_aside(path: Path) -> Path:
    """Rename a broken spool with its log to a free name beside it, which is returned; OSError."""
    number = 1
    while (target := path.with_name(f"{path.name}.broken-{number}")).exists():
        number += 1
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(target.with_name(target.name + suffix))
    return target


def log_bytes(path: Path) -> int:
    """Size of the spool's write-ahead log."""
    try:
        return _log(path).stat().st_size
    except FileNotFoundError:
        return 0


def sync_log(path: Path) -> None:
    """Bring what was committed to the disk without a checkpoint, which would write far more.

    SQLite takes no locks on the log, so closing a second descriptor of it releases none. OSError.
    """
    try:
        descriptor = os.open(_log(path), os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")
