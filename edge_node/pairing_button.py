"""The pairing button: held for three seconds it opens the pairing window, without a shell.

The line to paste and its QR code stand in a private file for as long as the window is open. They
are not logged: a log is kept and sent around, and the code in the line lets somebody in.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import os
from typing import TYPE_CHECKING, Final

import segno

from edge_node.pairing import WINDOW_MS, Closed, PairingWindow, pairing_line
from edge_node.secret_file import SecretFileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOGGER = logging.getLogger(__name__)

FILE_NAME: Final = "pairing.txt"
_POLL_S: Final = 0.5


class PairingButton:
    """Opens windows of a node that serves on `port`, and shows each in `path`.

    `host` is asked each time how clients reach the node. `path` exists only while a window that
    was opened here is open.
    """

    def __init__(
        self,
        window: PairingWindow,
        path: Path,
        *,
        host: Callable[[], str],
        port: int,
        fingerprint: str,
    ) -> None:
        self._window = window
        self._path = path
        self._host = host
        self._port = port
        self._fingerprint = fingerprint
        self._loop = asyncio.get_running_loop()
        self._held = asyncio.Event()

    def press(self) -> None:
        """The button was held; from any thread, and at once."""
        with contextlib.suppress(RuntimeError):  # the loop is gone: the node ends
            self._loop.call_soon_threadsafe(self._held.set)

    async def run(self) -> None:
        """Serve the button, for ever; no file is left behind."""
        await asyncio.to_thread(self._hide)
        try:
            while True:
                await self._held.wait()
                self._held.clear()
                try:
                    await asyncio.to_thread(self._open)
                except (OSError, SecretFileError) as err:
                    LOGGER.error("The pairing button opened no window: %s", err)  # noqa: TRY400
                    continue
                await self._closed()
                await asyncio.to_thread(self._hide)
        finally:
            self._hide()

    def _open(self) -> None:
        code = self._window.open()
        line = pairing_line(self._host(), self._port, self._fingerprint, code)
        try:
            self._show(line)
        except OSError:
            self._window.close()
            raise
        LOGGER.warning(
            "The pairing button was held: a client may pair for %d minutes; its line and QR code "
            "stand in %s",
            WINDOW_MS // 60_000,
            self._path,
        )

    def _show(self, line: str) -> None:
        picture = io.StringIO()
        segno.make(line, error="l").terminal(picture, compact=True)
        self._hide()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(self._path, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(f"{line}\n\n{picture.getvalue()}")

    async def _closed(self) -> None:
        """Wait for the end of the window, or for the button."""
        while (closed := self._window.closed()) is None and not self._held.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._held.wait(), _POLL_S)
        if closed is Closed.USED:
            LOGGER.warning("A client has paired: %s", self._window.client())

    def _hide(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
