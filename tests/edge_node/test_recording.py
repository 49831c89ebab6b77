"""Recorded logs and their replay."""

from pathlib import Path

import pytest

from edge_node.hardware.probe_error import ProbeError
from edge_node.hardware.replay import Replay
from edge_node.recording import Recording, RecordingError, read_recording

LOG = Path(__file__).parents[1] / "data" / "fermentation-2012-09-26.csv"


def test_the_real_log_is_read_whole() -> None:
    beer = read_recording(LOG, 1)
    assert len(beer.times) == len(beer.values) == 510  # of 511: one second was logged twice
    assert beer.values[0] == 18.96
    assert beer.times[-1] - beer.times[0] == 18 * 3600 + 3 * 60 + 3
    with pytest.raises(RecordingError, match="line 17, column 0 or 3"):  # annotations
        read_recording(LOG, 3)


@pytest.mark.parametrize(
    "text",
    [
        "time,beer\n2026-01-01T00:00:00Z,20.5\n2026-01-01T00:01:00Z,None\n",
        "1767225600;20.5\n1767225660;\n",
        "1767225600000,20.5\n1767225660000,nan\n",
        "\ufeff2026-01-01 00:00:00,20.5\n\n2026-01-01 00:01:00,null\n",
        "2026-01-01T01:00:00+01:00;20.5\n2026-01-01T01:01:00+01:00;None\n",
    ],
)
def test_times_and_separators_of_many_loggers_are_understood(tmp_path: Path, text: str) -> None:
    (tmp_path / "brew.csv").write_text(text)
    found = read_recording(tmp_path / "brew.csv", 1)
    assert found == Recording((1767225600.0, 1767225660.0), (20.5, None))


def test_rows_of_a_clock_set_back_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "brew.csv").write_text("100,1\n200,2\n150,3\n200,4\n300,5\n")
    assert read_recording(tmp_path / "brew.csv", 1).values == (1.0, 2.0, 5.0)


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("100,1\n200,2\n", 2, "line 1: there is no column 2"),
        ("100,1\n200,x\n", 1, "line 2"),
        ("100,1\nyesterday,2\n", 1, "line 2"),
        ("100,1\n", 1, "fewer than two rows"),
        ("", 1, "fewer than two rows"),
        ("100,1\n200,2\n", 0, "column 0 is the time"),
    ],
)
def test_a_log_that_cannot_be_used_is_named_with_its_line(
    tmp_path: Path, text: str, column: int, problem: str
) -> None:
    (tmp_path / "brew.csv").write_text(text)
    with pytest.raises(RecordingError, match=problem) as caught:
        read_recording(tmp_path / "brew.csv", column)
    assert "brew.csv" in str(caught.value)


def test_a_log_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"brew\.csv: the log cannot be read"):
        read_recording(tmp_path / "brew.csv", 1)


RECORDING = Recording((100.0, 110.0, 130.0), (1.0, None, 3.0))


def test_a_replay_holds_each_row_until_the_next() -> None:
    replay = Replay(RECORDING, loop=False)
    assert replay.at(0) == replay.at(9.9) == 1.0
    assert replay.at(30) == 3.0


@pytest.mark.parametrize(("seconds", "cause"), [(-1, "empty"), (10, "empty"), (30.1, "stale")])
def test_a_replay_has_no_value_where_the_log_has_none(seconds: float, cause: str) -> None:
    with pytest.raises(ProbeError) as caught:
        Replay(RECORDING, loop=False).at(seconds)
    assert caught.value.cause == cause


def test_a_loop_begins_again() -> None:
    assert Replay(RECORDING, loop=True).at(30 + 5) == 1.0
    assert Replay(RECORDING, loop=True).at(-25) == 1.0
