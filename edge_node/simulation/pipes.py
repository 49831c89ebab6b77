"""Files at which the other side waits as it would wait for the kernel, made of named pipes."""

import contextlib
import fcntl
import logging
import os
import select
import stat
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path

_LOGGER = logging.getLogger(__name__)
_STOP_TRIES = 100  # of 50 ms each
_DRAIN_S = 1.0  # for a writer that does not close


def is_pipe(path: Path) -> bool:
    """Whether `path` is a named pipe."""
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except FileNotFoundError:
        return False


def replace_file(path: Path, content: bytes | None) -> None:
    """Put a file of `content`, or a new named pipe (None), in the place of `path`, by rename.

    Whoever waits at a named pipe that stood there, even one of a killed process, reads an end of
    file instead of waiting for ever.
    """
    fresh = path.with_name(f".{path.name}")
    if content is None:
        fresh.unlink(missing_ok=True)
        os.mkfifo(fresh)
    else:
        fresh.write_bytes(content)
    with _held_open(path):
        fresh.rename(path)


def remove_file(path: Path) -> None:
    """Remove `path` if it is there; whoever waits at a named pipe there reads an end of file."""
    with _held_open(path):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _held_open(path: Path) -> Iterator[None]:
    # Both ends held open let waiting openers through; closing them is the end of file.
    held = os.open(path, os.O_RDWR | os.O_NONBLOCK) if is_pipe(path) else None
    try:
        yield
    finally:
        if held is not None:
            os.close(held)


class _Waiter(ABC):
    """A thread that waits at a named pipe until the other side comes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._serve, name=f"pipe {path.parent.name}/{path.name}", daemon=True
        )

    def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                self._run()
            except OSError:
                _LOGGER.exception("Serving %s failed; it goes on in a second", self._path)
                self._stopped.wait(1.0)

    @abstractmethod
    def _run(self) -> None:
        """Serve until stopped."""

    def _join(self, knock: int) -> None:
        """Stop the thread; opening the pipe's other end (`knock`) ends its wait in open()."""
        self._stopped.set()
        for _ in range(_STOP_TRIES):
            # No such reader (ENXIO): the thread is not in open() just now.
            with contextlib.suppress(OSError):
                os.close(os.open(self._path, knock | os.O_NONBLOCK))
            self._thread.join(0.05)
            if not self._thread.is_alive():
                return
        raise TimeoutError(f"the thread at {self._path} did not end")


class SlowFile(_Waiter):
    """A file that answers each reader only after `delay_s()` seconds, None being never.

    `answer` makes the content when the time has passed. Replace the file after `stop`.
    """

    def __init__(
        self, path: Path, answer: Callable[[], bytes], delay_s: Callable[[], float | None]
    ) -> None:
        super().__init__(path)
        self._answer = answer
        self._delay_s = delay_s
        replace_file(path, None)
        self._thread.start()

    def stop(self) -> None:
        """Answer nobody any more; a waiting reader reads an empty file."""
        self._join(os.O_RDONLY)

    def _run(self) -> None:
        while not self._stopped.is_set():
            writer = os.open(self._path, os.O_WRONLY)  # returns when a reader has come
            try:
                if self._stopped.wait(self._delay_s()):
                    return
                content = self._answer()
                # The next reader gets a pipe of its own, so that this one reads an end of file.
                replace_file(self._path, None)
                with contextlib.suppress(BrokenPipeError):  # killed while it waited
                    os.write(writer, content)
            finally:
                os.close(writer)


class TriggerFile(_Waiter):
    """A file at which a writer of `command` is held in write() until the work is done.

    The pipe is full of filler: a writer gets through open() (which is how this side learns of it)
    and waits in write() until the filler is taken out. `begin` returns how long the work takes,
    seconds; `finish` makes its results visible, and only then is the writer let go. If either side
    is killed, the other is released: the writer by a broken pipe, this one by the writer's end of
    file. Those who wait at a pipe that a killed process left are let go.
    """

    def __init__(
        self,
        path: Path,
        command: bytes,
        begin: Callable[[], float],
        finish: Callable[[], None],
    ) -> None:
        super().__init__(path)
        self._command = command
        self._begin = begin
        self._finish = finish
        self.done = 0  # how often the work was done
        self.ignored: list[bytes] = []  # what was written instead of the command, newest last
        self._end = _fresh_full_pipe(path)
        self._thread.start()

    def stop(self) -> None:
        """Stop; a writer that waits gets a broken pipe."""
        self._join(os.O_WRONLY)
        os.close(self._end)

    def _run(self) -> None:
        while not self._stopped.is_set():
            reader = os.open(self._path, os.O_RDONLY)  # returns when a writer has come
            try:
                if self._stopped.wait(self._begin()):
                    return
                self._finish()
                # The next writer finds a full pipe of its own, before this one is let go.
                served, self._end = self._end, _fresh_full_pipe(self._path)
                written = _drain(served)
                os.close(served)
            finally:
                os.close(reader)
            if written == self._command:
                self.done += 1
            elif written:
                self.ignored = [*self.ignored[-9:], written]


def _fresh_full_pipe(path: Path) -> int:
    """Put a new named pipe, as small as can be and full of zeros, at `path`; its reading end."""
    page = os.sysconf("SC_PAGE_SIZE")
    fresh = path.with_name(f".{path.name}")
    fresh.unlink(missing_ok=True)
    os.mkfifo(fresh)
    end = os.open(fresh, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, page)
    writer = os.open(fresh, os.O_WRONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):  # full
        while True:
            os.write(writer, bytes(page))
    os.close(writer)
    with _held_open(path):
        fresh.rename(path)
    return end


def _drain(end: int) -> bytes:
    """What the writer wrote, without the filler; returns when it has closed its end."""
    written = b""
    deadline = time.monotonic() + _DRAIN_S
    poll = select.poll()
    poll.register(end, select.POLLIN)
    while time.monotonic() < deadline:
        poll.poll(100)
        try:
            piece = os.read(end, 65536)
        except BlockingIOError:
            continue
        if not piece:
            break
        written += piece.replace(b"\0", b"")
    return written
