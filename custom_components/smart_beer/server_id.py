"""The id by which the nodes know this server: its own, never copied to another.

`/etc/smart-beer/server_id` where an operator has installed one, else a file of Home Assistant's
configuration folder, made at first need. It is no secret, but it is nobody else's business.
"""

import os
import re
import uuid
from pathlib import Path
from typing import Final

from .const import LOGGER
from .lease_messages import OVERRIDE

INSTALLED: Final = Path("/etc/smart-beer/server_id")
OWN_NAME: Final = ".smart_beer_server_id"
_MODE: Final = 0o600
_FORM: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


def load_server_id(config_dir: Path, installed: Path = INSTALLED) -> str:
    """The id of this server; blocking. Without a disk to keep it: one for this start only."""
    if (found := _read(installed)) is not None:
        return found
    own = config_dir / OWN_NAME
    if (found := _read(own)) is not None:
        return found
    made = uuid.uuid4().hex
    try:
        _write(own, made)
    except OSError as err:
        LOGGER.error(
            "The id of this server cannot be written to %s (%s): it has another one after each "
            "restart, and the nodes keep it waiting then. Make the folder writable",
            own,
            err,
        )
    return made


def _read(path: Path) -> str | None:
    """The id in a file; None if there is no file, or none in it, which is then logged."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as err:
        LOGGER.error("The id of this server cannot be read from %s (%s)", path, err)
        return None
    if _FORM.fullmatch(text) and text != OVERRIDE:
        return text
    LOGGER.error(
        "%s holds no id of a server: write 1 to 64 letters, digits, dots, dashes or underscores "
        "there, other on each server",
        path,
    )
    return None


def _write(path: Path, server_id: str) -> None:
    """Durably, and whole or not at all."""
    scratch = path.with_name(f"{path.name}.new")
    scratch.unlink(missing_ok=True)
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"{server_id}\n")
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
