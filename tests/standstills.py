"""Whether the machine, not what is tested, stood still; and the second chance that follows."""

import os
import threading
import time
from typing import Any, Final, Self

import pytest
from _pytest.runner import CallInfo, runtestprotocol

STANDSTILL_S: Final = 0.5  # what is asleep for so much too long stood still
CROWDED: Final = 1.0  # processes that want to run, for each processor: more wait for each other


class Standstills:
    """Notices how much longer than asked for a thread that only sleeps has slept."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.is_set():
            began = time.monotonic()
            time.sleep(0.1)
            self.longest_s = max(self.longest_s, time.monotonic() - began - 0.1)


def crowded() -> bool:
    """Whether more processes than the machine can serve wanted to run in the last minute."""
    return os.getloadavg()[0] >= CROWDED * (os.cpu_count() or 1)


def run_again_after_a_standstill(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Run the test; if it failed on a machine that stood still or was crowded, once more.

    The second run counts. It begins anew, also with what the tests of its module share.

    The report of the second run has the property `run_again`: a sentence why.
    """
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    with Standstills() as standstills:
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
    stood_s = standstills.longest_s
    if any(report.failed for report in reports) and (stood_s >= STANDSTILL_S or crowded()):
        first = "\n".join(report.longreprtext for report in reports if report.failed)
        why = (
            f"the machine stood still for {stood_s:.1f} s at a load of {os.getloadavg()[0]:.1f}, "
            f"and there was: {_last_line(first)}"
        )
        if left := _end_what_the_module_shares(item):
            first += f"\n{left}"
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        for report in reports:
            report.user_properties.append(("run_again", why))
            report.sections.append(("what failed before, while the machine stood still", first))
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


def _end_what_the_module_shares(item: pytest.Item) -> str:
    """Tear down all but what the whole session shares; what went wrong, if anything did."""
    module = item.getparent(pytest.Module)
    if module is None or module.parent is None:
        return ""
    around: Any = module.parent  # pytest asks the next item only for what it is in
    ended = CallInfo.from_call(
        lambda: item.session._setupstate.teardown_exact(around),
        when="teardown",
        reraise=KeyboardInterrupt,
    )
    return "" if ended.excinfo is None else str(ended.excinfo.value)


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]
