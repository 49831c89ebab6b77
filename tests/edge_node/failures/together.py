"""Scenarios that take minutes by nature, all at once in the background, each a test of its own.

The first process of a test run that comes here runs all that were asked for; the others wait for
its word. So a run takes as long as the longest of them.
"""

import fcntl
import json
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

Scenario = Callable[[Any], str]
"""What happens in a brewery of its own kind; it says what it measured, or raises."""

LIMIT_S: Final = 420.0


class Together:
    """The scenarios of one test run; `folder` is common to all its processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    @contextmanager
    def running(
        self,
        wanted: Collection[str],
        scenarios: dict[str, tuple[str, Scenario]],
        open_brewery: Callable[[ExitStack, str, list[str]], Any],
    ) -> Iterator[None]:
        """Run those `wanted`, unless another process does; ends when all have ended.

        `scenarios` are (kind of brewery, scenario) by name; `open_brewery` makes a kind of brewery,
        given the names of those who come.
        """
        threads = []
        with (self._folder / "lock").open("w") as lock, ExitStack() as stack:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield
                return
            kinds = sorted({scenarios[name][0] for name in wanted})
            for kind in kinds:
                names = [name for name in sorted(wanted) if scenarios[name][0] == kind]
                brewery = open_brewery(stack, kind, names)
                threads += [
                    threading.Thread(
                        target=self._run, args=(name, scenarios[name][1], brewery), daemon=True
                    )
                    for name in names
                ]
            for thread in threads:
                thread.start()
            yield
            for thread in threads:
                thread.join(LIMIT_S)

    def _run(self, name: str, scenario: Scenario, brewery: Any) -> None:
        try:
            outcome = {"said": scenario(brewery)}
        except BaseException:  # noqa: BLE001  # it is told to whoever waits for it
            outcome = {"failed": traceback.format_exc()}
        fresh = self._folder / f".{name}"
        fresh.write_text(json.dumps(outcome))
        fresh.replace(self._folder / f"{name}.json")

    def outcome(self, name: str) -> str:
        """What the scenario measured; AssertionError with its traceback if it failed."""
        path = self._folder / f"{name}.json"
        deadline = time.monotonic() + LIMIT_S
        while not path.exists():
            assert time.monotonic() < deadline, f"{name} did not end within {LIMIT_S} s"
            time.sleep(0.1)
        outcome = json.loads(path.read_text())
        assert "failed" not in outcome, outcome["failed"]
        return str(outcome["said"])
