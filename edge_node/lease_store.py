"""The promises of a node's leases, durable: one small file a kettle in the data folder.

A file that is missing, or that does not bear out its checksum, counts as no promise, and the lease
then grants nothing to anybody until its quarantine is over.
"""

from __future__ import annotations

import json
import logging
import os
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Final

from edge_node.lease import Promise
from edge_node.secret_file import SecretFileError, read_json, write_json

LOGGER = logging.getLogger(__name__)

FOLDER: Final = "leases"


class LeaseStore:
    """Reads and writes the promises; every call blocks on the disk, and none may overlap."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER

    def load(self, kettle_id: str) -> Promise | None:
        """The promise as last written, or None if there is none that can be trusted."""
        path = self._path(kettle_id)
        try:
            content = read_json(path)
            if content is None:
                LOGGER.info("Kettle %s has no promise in %s", kettle_id, path)
                return None
            return _unpack(content, kettle_id)
        except (SecretFileError, LookupError, TypeError, ValueError) as err:
            LOGGER.error(  # noqa: TRY400 - the sentence says it all
                "The promise of kettle %s in %s is lost (%s): nobody is granted its lease until "
                "the quarantine is over",
                kettle_id,
                path,
                err,
            )
            return None

    def save(self, kettle_id: str, promise: Promise) -> None:
        """Write the promise durably; SecretFileError if that fails, and the old one then stands."""
        try:
            _make(self._folder)
        except OSError as err:
            raise SecretFileError(f"{self._folder} cannot be created: {err}") from err
        promised = asdict(promise)
        content = {"kettle_id": kettle_id, "promise": promised, "crc32": _crc(kettle_id, promised)}
        write_json(self._path(kettle_id), content)

    def _path(self, kettle_id: str) -> Path:
        return self._folder / f"{kettle_id}.json"


def _make(folder: Path) -> None:
    """Create the folder durably if it is missing; OSError."""
    if folder.is_dir():
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    parent = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _unpack(content: dict[str, object], kettle_id: str) -> Promise:
    promised = content["promise"]
    if not isinstance(promised, dict) or content["crc32"] != _crc(kettle_id, promised):
        raise ValueError("its checksum is wrong")
    return Promise(**promised)


def _crc(kettle_id: str, promised: dict[str, object]) -> int:
    return zlib.crc32(json.dumps([kettle_id, promised], sort_keys=True).encode())
