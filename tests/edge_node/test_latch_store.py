from pathlib import Path

import pytest

from edge_node.latch_store import LatchStore
from edge_node.safety.rules import Trip

STUCK = Trip("k", "stuck_relay", "The relay of k is stuck.")
SAFE = Trip("k", "safe", "Safe was called for.")


def store(folder: Path, now: int | None = 1000) -> LatchStore:
    return LatchStore(folder, lambda: now)


def test_what_was_kept_is_read_back_with_its_time(tmp_path: Path) -> None:
    first = store(tmp_path)
    assert first.load() == frozenset()
    assert first.keep(frozenset({STUCK}))
    again = store(tmp_path, now=5000)
    assert again.load() == frozenset({STUCK})
    assert again.keep(frozenset({STUCK, SAFE}))
    assert [(one["latch"], one["since"]) for one in again.shown()] == [
        ("safe", 5000),
        ("stuck_relay", 1000),
    ]
    assert again.keep(frozenset())
    assert store(tmp_path).load() == frozenset()


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"kept": [], "crc32": 1}', b"\xff"])
def test_a_file_that_cannot_be_believed_latches_everything(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "latches.json").write_bytes(content)
    assert store(tmp_path).load() is None


def test_any_flipped_bit_latches_everything_or_changes_nothing(tmp_path: Path) -> None:
    assert store(tmp_path).keep(frozenset({STUCK}))
    path = tmp_path / "latches.json"
    good = path.read_bytes()
    for place in range(len(good)):
        broken = bytearray(good)
        broken[place] ^= 1
        path.write_bytes(broken)
        assert store(tmp_path).load() in (None, frozenset({STUCK})), place


def test_a_file_that_has_gone_is_believed_only_on_a_node_that_never_was_led(
    tmp_path: Path,
) -> None:
    assert store(tmp_path).load() == frozenset()
    (tmp_path / "leases").mkdir()
    assert store(tmp_path).load() is None


def test_a_disk_that_refuses_is_told_and_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.write_text("no folder")
    latches = store(folder)
    assert not latches.keep(frozenset({STUCK}))
    assert "latches.json" in str(latches.problem) or "data" in str(latches.problem)
    assert latches.due(frozenset({STUCK}))
    folder.unlink()
    assert latches.keep(frozenset({STUCK}))
    assert latches.problem is None
    assert store(folder).load() == frozenset({STUCK})
