"""A small durable file with a checksum: what must not be misread after a power cut."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

from edge_node.secret_file import SecretFileError, read_json, write_json

if TYPE_CHECKING:
    from pathlib import Path


class KeptFileError(Exception):
    """A kept file cannot be believed; the text says which and why."""


def read_kept(path: Path) -> Any:  # noqa: ANN401 - whatever JSON was kept
    """What was kept; None without a file. KeptFileError if it cannot be read or believed."""
    try:
        content = read_json(path)
    except SecretFileError as err:
        raise KeptFileError(str(err)) from err
    if content is None:
        return None
    if content.keys() != {"kept", "crc32"} or content["crc32"] != _crc(content["kept"]):
        raise KeptFileError(f"{path} cannot be believed: its checksum is wrong")
    return content["kept"]


def write_kept(path: Path, kept: Any) -> None:  # noqa: ANN401 - as above
    """Replace the file durably; SecretFileError if that fails, and the old content stands."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as err:
        raise SecretFileError(f"{path.parent} cannot be created: {err}") from err
    write_json(path, {"kept": kept, "crc32": _crc(kept)})


def _crc(kept: Any) -> int:  # noqa: ANN401 - as above
    return zlib.crc32(json.dumps(kept, sort_keys=True).encode())
