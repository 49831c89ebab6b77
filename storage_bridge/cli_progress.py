"""A line on stderr that says how far a long command is."""

import sys
import time
from typing import Self


class Progress:
    """Rewrites one line on a terminal, at most five times a second; says the total at the end."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._terminal = sys.stderr.isatty()
        self._shown = 0.0
        self._line = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._line:
            print(f"\r{self._line}" if self._terminal else self._line, file=sys.stderr)

    def show(self, done: int, total: int, samples: int, units: str = "series") -> None:
        """Say it, if it is time to."""
        self._line = f"{samples} samples {self._verb}, {done} of {total} {units} done"
        if self._terminal and time.monotonic() - self._shown > 0.2:
            self._shown = time.monotonic()
            print(f"\r{self._line}", end="", file=sys.stderr, flush=True)
