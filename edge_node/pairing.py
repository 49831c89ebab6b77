"""The pairing window: for two minutes, whoever holds the one-time code becomes a client.

The `pair` command opens the window by writing `pairing.json` into the data folder, and the running
node reads it there; the file holds a salted hash of the code, never the code. Its end is kept on
CLOCK_BOOTTIME together with the kernel's boot id, so no clock step opens or closes a window.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_node.secret_file import SecretFileError, locked, read_json, signature, write_json

if TYPE_CHECKING:
    from collections.abc import Callable

FILE_NAME = "pairing.json"
WINDOW_MS = 120_000
MAX_WRONG = 5
CODE_LENGTH = 10  # of 32 letters: 50 bits, against five tries in two minutes
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # no 0, 1, I, O; never a "-"


class Closed(Enum):
    """Why a window is no longer open."""

    USED = "used"
    WRONG_CODES = "wrong_codes"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class NoWindowError(Exception):
    """No pairing window is open."""


class WrongCodeError(Exception):
    """The code is not that of the window; `left` tries remain before it closes."""

    def __init__(self, left: int) -> None:
        super().__init__(f"{left} tries left")
        self.left = left


def new_code() -> str:
    """A random one-time code of CODE_LENGTH letters and digits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))


def pairing_line(host: str, port: int, fingerprint: str, code: str) -> str:
    """The line a person pastes: `SB1-<host:port>-<32 hex>-<code>`, to be parsed from the right.

    `fingerprint` is the certificate's SHA-256, 64 hex digits; an IPv6 host gets its brackets.
    """
    where = f"[{host}]" if ":" in host else host
    return f"SB1-{where}:{port}-{fingerprint[:32].lower()}-{code}"


def kernel_boot_id() -> str:
    """The kernel's id of this boot, in which CLOCK_BOOTTIME counts."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


class PairingWindow:
    """The one window of a node, open or not; safe to use from several threads and processes.

    `standing_code` is for simulated nodes only: the window is then always open, and takes this
    code any number of times.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        standing_code: str | None = None,
        mono_ms: Callable[[], int] = lambda: (
            time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
        ),
        boot_id: Callable[[], str] = kernel_boot_id,
    ) -> None:
        self._path = data_dir / FILE_NAME
        self._standing_code = standing_code
        self._mono_ms = mono_ms
        self._boot_id = boot_id()
        self._writing = threading.Lock()  # looking never waits for a write
        self._seen: tuple[tuple[int, int, int] | None, dict[str, Any]] = (None, {})

    def open(self) -> str:
        """Open a new window in place of any other, and return its code: the only time it is seen.

        Raises SecretFileError if the window cannot be written.
        """
        code = new_code()
        salt = secrets.token_hex(16)
        with self._writing, locked(self._path):
            self._write(
                {
                    "boot_id": self._boot_id,
                    "expires_ms": self._mono_ms() + WINDOW_MS,
                    "salt": salt,
                    "hash": _hash(salt, code),
                    "wrong": 0,
                    "closed": None,
                    "client": None,
                }
            )
        return code

    def is_open(self) -> bool:
        """Whether a code would be looked at now."""
        return self._standing_code is not None or self.closed() is None

    def closed(self) -> Closed | None:
        """Why the last window is closed, or None while it is open."""
        return self._closed(self._content())

    def client(self) -> str | None:
        """Name of the client that used the last window, once it has."""
        return self._content().get("client")

    def close(self) -> None:
        """Close the window if one is open.

        Raises SecretFileError if that cannot be written.
        """
        with self._writing, locked(self._path):
            content = self._content()
            if self._closed(content) is None:
                self._write({**content, "closed": Closed.CANCELLED.value})

    def use(self, code: str, client_name: str) -> None:
        """Spend the window on this client; it is closed before this returns.

        Raises NoWindowError if none is open, WrongCodeError if the code is another (the fifth
        closes the window), SecretFileError if the change cannot be written: then nothing is spent.
        """
        code = code.upper()
        if self._standing_code is not None:
            if not hmac.compare_digest(self._standing_code.upper().encode(), code.encode()):
                raise WrongCodeError(MAX_WRONG)
            return
        with self._writing, locked(self._path):
            content = self._content()
            if self._closed(content) is not None:
                raise NoWindowError
            if hmac.compare_digest(_hash(content["salt"], code), content["hash"]):
                self._write({**content, "closed": Closed.USED.value, "client": client_name})
                return
            wrong = content["wrong"] + 1
            over = wrong >= MAX_WRONG
            self._write(
                {
                    **content,
                    "wrong": wrong,
                    "closed": Closed.WRONG_CODES.value if over else None,
                }
            )
            raise WrongCodeError(MAX_WRONG - wrong)

    def _closed(self, content: dict[str, Any]) -> Closed | None:
        if not content:
            return Closed.EXPIRED
        if content["closed"] is not None:
            return Closed(content["closed"])
        left = content["expires_ms"] - self._mono_ms()
        # Longer than a window is not from this boot, whatever the file says.
        if content["boot_id"] != self._boot_id or not 0 < left <= WINDOW_MS:
            return Closed.EXPIRED
        return None

    def _content(self) -> dict[str, Any]:
        """What the file holds now; nothing if there is none, or none that can be read."""
        current = signature(self._path)
        seen, content = self._seen
        if current == seen:
            return content
        try:
            content = read_json(self._path) or {}
        except SecretFileError:
            content = {}  # a window that cannot be read is closed; `pair` writes a new one
        if not content.keys() >= _KEYS:
            content = {}
        self._seen = current, content
        return content

    def _write(self, content: dict[str, Any]) -> None:
        write_json(self._path, content)
        self._seen = signature(self._path), content


_KEYS = {"boot_id", "expires_ms", "salt", "hash", "wrong", "closed", "client"}


def _hash(salt: str, code: str) -> str:
    return hashlib.sha256(f"{salt}:{code}".encode("utf-8", "surrogateescape")).hexdigest()
