import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from edge_node.spool import read_file
from edge_node.spool_file import SpoolFile

LIMIT_S = 60.0
FIRST_RUN = 10_000  # days since 1970: every t has as many digits as the others,
T_DIGITS = 12  # and one that was torn has fewer


@contextmanager
def writer(
    folder: Path, *, series: int = 3, ticks: int = 100_000
) -> Iterator[subprocess.Popen[str]]:
    """A writing process, killed at the end if it still runs."""
    runs = folder / "runs"
    runs.write_text(str(int(runs.read_text()) + 1) if runs.exists() else str(FIRST_RUN))
    with (folder / "out").open("a") as out:
        out.write("\n")  # behind what a kill may have torn
        out.flush()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.edge_node.spool_child", folder, str(series), str(ticks)],
            stdout=out,
            text=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def served(folder: Path) -> list[tuple[int, int]]:
    """Every (seq, t) that any of the processes has served, in order; torn lines left out."""
    rows = []
    text = (folder / "out").read_text()
    for line in text[: text.rfind("\n") + 1].splitlines():
        parts = line.split()
        if len(parts) == 2 and parts[0] != "#" and len(parts[1]) == T_DIGITS:
            rows.append((int(parts[0]), int(parts[1])))
    return rows


def more_than(folder: Path, rows: int) -> bool:
    return len(served(folder)) > rows


def states(folder: Path) -> list[tuple[int, bool, int]]:
    """(lost, problem, last_seq) as printed."""
    found = []
    text = (folder / "out").read_text()
    for line in text[: text.rfind("\n") + 1].splitlines():
        parts = line.partition("# ")[2].split()
        if len(parts) == 3:
            found.append((int(parts[0]), parts[1] == "True", int(parts[2])))
    return found


def wait_until(condition: Callable[[], bool], what: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert process.poll() is None, f"the writer ended before {what}"
        assert time.monotonic() < deadline, f"{what} did not happen within {LIMIT_S} s"
        time.sleep(0.02)


def test_nothing_that_was_served_is_lost_or_reused_by_kill_9(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    for _ in range(4):
        before = len(served(tmp_path))
        with writer(tmp_path) as process:
            wait_until(partial(more_than, tmp_path, before + 30), "serving", process)
            time.sleep(random.uniform(0, 0.2))

    rows = served(tmp_path)
    seqs = [seq for seq, _ in rows]
    assert seqs == sorted(set(seqs)), "a seq was served twice"
    kept = {sample.seq: sample.t for sample in read_file(tmp_path / "spool.db")}
    assert {seq: kept.get(seq) for seq, _ in rows} == dict(rows)
    # A mere kill leaves no hole.
    assert sorted(kept) == list(range(1, max(kept) + 1))
    file = SpoolFile(tmp_path / "spool.db", max_bytes=2**26, kernel_boot="boot")
    assert file.numbering.holes == ()
    file.close()


def test_what_a_full_disk_refuses_is_lost_counted_listed_and_over_when_room_returns(
    tmp_path: Path,
) -> None:
    """The kernel itself refuses to let the file grow: a limit on file size, set from outside."""
    (tmp_path / "out").touch()
    with writer(tmp_path, series=20) as process:
        wait_until(lambda: len(served(tmp_path)) > 200, "serving", process)
        unlimited = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        wal = (tmp_path / "spool.db-wal").stat().st_size
        # The output file must stay writable, so it is emptied and kept below the limit.
        limit = max(wal, 1) + 10_000
        before = (tmp_path / "out").read_text()
        (tmp_path / "before").write_text(before)
        (tmp_path / "out").write_text("")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, unlimited[1]))
        wait_until(
            lambda: any(problem and lost > 500 for lost, problem, _ in states(tmp_path)),
            "losing samples",
            process,
        )
        last = states(tmp_path)[-1][2]
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, unlimited)
        wait_until(
            lambda: not states(tmp_path)[-1][1] and states(tmp_path)[-1][2] > last + 500,
            "writing again",
            process,
        )
    (tmp_path / "out").write_text(
        (tmp_path / "before").read_text() + "\n" + (tmp_path / "out").read_text()
    )

    kept = {sample.seq: sample.t for sample in read_file(tmp_path / "spool.db")}
    rows = served(tmp_path)
    assert {seq: kept.get(seq) for seq, _ in rows} == dict(rows)
    file = SpoolFile(tmp_path / "spool.db", max_bytes=2**26, kernel_boot="boot")
    numbering = file.numbering
    assert file.lost == sum(end - start + 1 for start, end in numbering.holes) > 500
    in_holes = {seq for start, end in numbering.holes for seq in range(start, end + 1)}
    assert sorted({*kept, *in_holes}) == list(range(1, numbering.last + 1))
    assert not in_holes & set(kept)
    file.close()
