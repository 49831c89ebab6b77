"""Files at which the other side waits, and nobody for ever."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_node.simulation.pipes import SlowFile, TriggerFile, is_pipe, replace_file

WAIT_S = 20.0


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.005)


@contextmanager
def trigger_file(
    path: Path, work: Callable[[], float], finish: Callable[[], None]
) -> Iterator[TriggerFile]:
    file = TriggerFile(path, b"trigger\n", work, finish)
    yield file
    file.stop()


class Call(threading.Thread):
    """A blocking call in a thread; `result` is what it returned or raised."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self.result: Any = None
        self.start()

    def run(self) -> None:
        try:
            self.result = self._call()
        except OSError as err:
            self.result = err

    def ended(self) -> Any:
        self.join(WAIT_S)
        assert not self.is_alive(), "it still hangs"
        return self.result


def write(path: Path, text: bytes = b"trigger\n") -> int:
    with path.open("wb", buffering=0) as file:
        return file.write(text) or 0


def test_a_writer_is_held_until_the_work_is_done_every_time(tmp_path: Path) -> None:
    path = tmp_path / "therm_bulk_read"
    results: list[int] = []
    with trigger_file(path, lambda: 0.05, lambda: results.append(len(results))) as file:
        for count in range(1, 6):
            before = time.monotonic()
            write(path)
            assert time.monotonic() - before >= 0.05
            assert len(results) == count  # there when the write returns
        until(lambda: file.done == 5)
        assert file.ignored == []


def test_a_word_without_newline_is_no_trigger(tmp_path: Path) -> None:
    path = tmp_path / "therm_bulk_read"
    with trigger_file(path, lambda: 0.0, lambda: None) as file:
        write(path, b"trigger")
        until(lambda: file.ignored == [b"trigger"])
        write(path)
        until(lambda: file.done == 1)


def test_stopping_lets_a_waiting_writer_go_with_an_error(tmp_path: Path) -> None:
    path = tmp_path / "therm_bulk_read"
    begun = threading.Event()

    def begin() -> float:
        begun.set()
        return 3600.0

    with trigger_file(path, begin, lambda: None):
        writer = Call(lambda: write(path))
        assert begun.wait(WAIT_S)
    assert isinstance(writer.ended(), BrokenPipeError)


WRITER = """
import sys
from pathlib import Path
print("up", flush=True)
Path(sys.argv[1]).open("wb", buffering=0).write(b"trigger\\n")
"""
SIMULATOR = """
import sys, time
from pathlib import Path
from edge_node.simulation.pipes import SlowFile, TriggerFile
folder = Path(sys.argv[1])
def begin():
    print("begun", flush=True)
    return 3600.0
TriggerFile(folder / "trigger", b"trigger\\n", begin, lambda: None)
SlowFile(folder / "slow", lambda: b"", begin)
print("up", flush=True)
time.sleep(3600)
"""


@contextmanager
def program(source: str, argument: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", source, str(argument)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            yield process
        finally:
            process.kill()


def test_a_killed_node_does_not_hold_the_simulator(tmp_path: Path) -> None:
    path = tmp_path / "therm_bulk_read"
    begun: list[str] = []

    def begin() -> float:
        begun.append("begun")
        return 0.3

    with trigger_file(path, begin, lambda: None) as file:
        with program(WRITER, path) as writer:
            until(lambda: len(begun) == 1)
            writer.send_signal(signal.SIGKILL)
            writer.wait(WAIT_S)
        write(path)
        until(lambda: file.done == 1)


def test_a_killed_simulator_does_not_hold_the_node(tmp_path: Path) -> None:
    trigger, slow = tmp_path / "trigger", tmp_path / "slow"
    with program(SIMULATOR, tmp_path) as simulator:
        writer = Call(lambda: write(trigger))
        reader = Call(slow.read_bytes)
        assert simulator.stdout is not None
        assert simulator.stdout.readline() == simulator.stdout.readline() == "begun\n"
        simulator.send_signal(signal.SIGKILL)
        simulator.wait(WAIT_S)
    assert isinstance(writer.ended(), BrokenPipeError)
    assert reader.ended() == b""


def test_who_comes_while_no_simulator_runs_is_let_go_by_the_next_one(tmp_path: Path) -> None:
    trigger, slow = tmp_path / "trigger", tmp_path / "slow"
    with program(SIMULATOR, tmp_path) as simulator:
        simulator.send_signal(signal.SIGKILL)
        simulator.wait(WAIT_S)
    assert is_pipe(trigger)
    writer = Call(lambda: write(trigger))
    reader = Call(slow.read_bytes)
    time.sleep(0.1)
    assert writer.is_alive()
    assert reader.is_alive()
    with trigger_file(trigger, lambda: 0.0, lambda: None) as file:
        writer.ended()
        write(trigger)
        until(lambda: file.done == 1)
    replace_file(slow, b"20\n")
    assert reader.ended() == b""
    assert slow.read_bytes() == b"20\n"


def test_a_slow_file_answers_each_reader_once_and_whole(tmp_path: Path) -> None:
    answers = iter(range(100))
    file = SlowFile(
        tmp_path / "w1_slave", lambda: f"{next(answers)}\n".encode() * 100, lambda: 0.02
    )
    for number in range(5):
        assert (tmp_path / "w1_slave").read_bytes() == f"{number}\n".encode() * 100
    file.stop()


def test_a_slow_file_goes_on_after_a_disk_that_failed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    errors = [OSError("no room")]

    def answer() -> bytes:
        if errors:
            raise errors.pop()
        return b"20\n"

    path = tmp_path / "w1_slave"
    file = SlowFile(path, answer, lambda: 0.0)
    assert path.read_bytes() == b""
    assert Call(path.read_bytes).ended() == b"20\n"
    file.stop()
    assert "no room" in caplog.text


def test_a_reader_of_a_file_that_never_answers_is_let_go_when_it_is_replaced(
    tmp_path: Path,
) -> None:
    path = tmp_path / "w1_slave"
    come = threading.Event()
    file = SlowFile(path, lambda: b"never", come.set)  # which gives None: for ever
    reader = Call(path.read_bytes)
    assert come.wait(WAIT_S)
    time.sleep(0.05)
    assert reader.is_alive()
    file.stop()
    replace_file(path, b"now\n")
    assert reader.ended() == b""
    assert path.read_bytes() == b"now\n"


def test_replacing_leaves_nothing_else_behind(tmp_path: Path) -> None:
    replace_file(tmp_path / "a", b"1")
    replace_file(tmp_path / "a", None)
    replace_file(tmp_path / "a", b"2")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("delay", [0.0, 3600.0])
def test_stop_does_not_wait_for_the_work(tmp_path: Path, delay: float) -> None:
    path = tmp_path / "w1_slave"
    file = SlowFile(path, lambda: b"", lambda: delay)
    reader = Call(path.read_bytes)
    file.stop()
    replace_file(path, b"")
    reader.ended()
