"""Scenarios that take minutes by nature, all at once in the background, each a test of its own.

The first process of a test run that comes here runs all that were asked for; the others wait for
its word. So a run takes as long as the longest of them.

A node on a machine that stands still reads nothing in time and makes everything safe, which is no
answer to what a scenario asks; a crowded machine does the same, only slower. What failed while that
was so is done once more, in a new brewery; its word then says so.
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

from tests.standstills import STANDSTILL_S, Standstills, crowded

Scenario = Callable[[Any], str]
"""What happens in a brewery of its own kind; it says what it measured, or raises."""

LIMIT_S: Final = 900.0


class Together:
    """The scenarios of one test run; `folder` is common to all its processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._background: threading.Thread | None = None  # of this process, if it is the first
        self._crowded = False  # when a scenario failed
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
        with (self._folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield
                return
            chosen = {name: scenarios[name] for name in sorted(wanted)}
            background = threading.Thread(target=self._all, args=(chosen, open_brewery))
            background.start()
            self._background = background
            yield
            background.join(LIMIT_S)

    def _all(
        self,
        scenarios: dict[str, tuple[str, Scenario]],
        open_brewery: Callable[[ExitStack, str, list[str]], Any],
    ) -> None:
        with Standstills() as standstills:
            failed = self._once(scenarios, open_brewery, "")
            stood_s = standstills.longest_s
            if failed and (stood_s >= STANDSTILL_S or self._crowded):
                again = {name: scenarios[name] for name in failed}
                crowd = " and was crowded" if self._crowded else ""
                stood = f" (again: the machine stood still for {stood_s:.1f} s{crowd} before)"
                failed = self._once(again, open_brewery, stood)
        for name, why in failed.items():
            self._tell(name, {"failed": why})

    def _once(
        self,
        scenarios: dict[str, tuple[str, Scenario]],
        open_brewery: Callable[[ExitStack, str, list[str]], Any],
        remark: str,
    ) -> dict[str, str]:
        """Run these side by side, tell of those that went well; why the others did not."""
        failed: dict[str, str] = {}

        def run(name: str, scenario: Scenario, brewery: Any) -> None:
            try:
                self._tell(name, {"said": scenario(brewery) + remark})
            except BaseException:  # noqa: BLE001  # it is told to whoever waits for it
                failed[name] = traceback.format_exc()
                self._crowded |= crowded()

        threads = []
        with ExitStack() as stack:
            try:
                for kind in sorted({kind for kind, _ in scenarios.values()}):
                    names = [name for name, (one, _) in scenarios.items() if one == kind]
                    brewery = open_brewery(stack, kind, names)
                    threads += [
                        threading.Thread(
                            target=run, args=(name, scenarios[name][1], brewery), daemon=True
                        )
                        for name in names
                    ]
            except BaseException:  # noqa: BLE001  # the same
                return dict.fromkeys(scenarios, traceback.format_exc())
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(LIMIT_S)
        return failed

    def _tell(self, name: str, outcome: dict[str, str]) -> None:
        fresh = self._folder / f".{name}"
        fresh.write_text(json.dumps(outcome))
        fresh.replace(self._folder / f"{name}.json")

    def outcome(self, name: str) -> str:
        """What the scenario measured; AssertionError with its traceback if it failed."""
        path = self._folder / f"{name}.json"
        deadline = time.monotonic() + LIMIT_S
        while not path.exists():
            running = self._background is None or self._background.is_alive()
            assert running or path.exists(), f"{name}: the thread that ran it has died"
            assert time.monotonic() < deadline, f"{name} did not end within {LIMIT_S} s"
            time.sleep(0.1)
        outcome = json.loads(path.read_text())
        assert "failed" not in outcome, outcome["failed"]
        return str(outcome["said"])
