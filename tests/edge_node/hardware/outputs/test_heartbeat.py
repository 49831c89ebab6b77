from pathlib import Path

import pytest

from edge_node.guard.pulse import Pulse
from edge_node.hardware.outputs.heartbeat import Heartbeat, open_heartbeat


def test_each_beat_is_one_that_the_guard_counts(tmp_path: Path) -> None:
    path = tmp_path / "run" / "heartbeat"
    heart, guard = Heartbeat(path), Pulse(2000)
    heart.beat()
    guard.step(0, path.read_text())
    assert guard.beat_ms is None
    for now in range(500, 20_000, 500):
        heart.beat()
        guard.step(now, path.read_text())
        assert guard.beat_ms == now
    heart.close()


def test_the_file_is_for_the_own_user_and_group_only(tmp_path: Path) -> None:
    heart = Heartbeat(tmp_path / "heartbeat")
    heart.beat()
    heart.close()
    assert (tmp_path / "heartbeat").stat().st_mode & 0o007 == 0


def test_a_file_that_cannot_be_written_is_said_and_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    heart = Heartbeat(tmp_path / "file" / "heartbeat")
    heart.beat()
    assert "heartbeat" in str(heart.problem)
    (tmp_path / "file").unlink()
    heart.beat()
    assert heart.problem is None
    heart.close()


def test_it_beats_where_the_service_manager_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    assert open_heartbeat() is None
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"{tmp_path}:/elsewhere")
    heart = open_heartbeat()
    assert heart is not None
    heart.beat()
    heart.close()
    assert (tmp_path / "heartbeat").is_file()
