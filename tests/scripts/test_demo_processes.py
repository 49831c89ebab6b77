"""Child processes of the demo: stopped even when they will not, and missed when they die."""

import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts.demo_brewery.processes import Child, ChildDiedError, stop_all

if TYPE_CHECKING:
    from collections.abc import Iterator

STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""
POLITE = "print('ready', flush=True); import time; time.sleep(600)"


@pytest.fixture
def children() -> Iterator[list[Child]]:
    made: list[Child] = []
    yield made
    for child in made:
        if child.running():
            child.kill()


def _start(children: list[Child], folder: Path, program: str, word: str | None = None) -> Child:
    child = Child("the child", [sys.executable, "-c", program], folder / "logs" / "child.log")
    children.append(child)
    child.start()
    deadline = time.monotonic() + 60
    while word is not None and word not in child.tail():
        assert time.monotonic() < deadline, child.tail()
        time.sleep(0.02)
    return child


def test_a_stubborn_child_is_killed(tmp_path: Path, children: list[Child]) -> None:
    child = _start(children, tmp_path, STUBBORN, "deaf")
    child.stop(patience=0.3)
    assert not child.running()
    assert child.process.returncode == -signal.SIGKILL


def test_a_polite_child_ends_on_request(tmp_path: Path, children: list[Child]) -> None:
    child = _start(children, tmp_path, POLITE, "ready")
    stop_all([child])
    assert child.process.returncode == -signal.SIGTERM
    child.stop()  # a second time is harmless


def test_a_dead_child_is_reported_with_the_end_of_its_log(
    tmp_path: Path, children: list[Child]
) -> None:
    child = _start(children, tmp_path, "import sys; print('boil over'); sys.exit(3)")
    child.process.wait(60)
    with pytest.raises(ChildDiedError, match=r"the child ended with code 3(?s:.*)boil over"):
        child.check()


def test_a_killed_child_can_be_started_again(tmp_path: Path, children: list[Child]) -> None:
    child = _start(children, tmp_path, POLITE, "ready")
    first = child.process.pid
    child.kill()
    assert not child.running()
    child.start()
    child.check()
    assert child.process.pid != first


def test_a_child_that_was_never_started_says_so(tmp_path: Path) -> None:
    child = Child("the bridge", ["true"], tmp_path / "log")
    child.stop()
    with pytest.raises(ChildDiedError, match="the bridge was never started"):
        child.check()
