"""A backup's file: what goes in comes out, and no byte of it can change unnoticed."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage_bridge.backup_file import (
    MAGIC,
    BackupError,
    Kind,
    Writer,
    check,
    chunk_of,
    read_frames,
)
from storage_bridge.codec import encode

from .generated import HOUR, probe_hour

CHUNK = encode(probe_hour(HOUR, step_ms=60_000))


def written(path: Path) -> bytes:
    with path.open("wb") as file:
        writer = Writer(file)
        writer.add_json(Kind.HEADER, {"created": 1, "bridge": "x"})
        writer.add(Kind.OUTBOX, b"o" * 1000)
        writer.add_chunk(CHUNK)
        writer.add_json(Kind.RECORDS, [["notes", {"text": "Märzen"}]])
        writer.finish(hours=1, samples=60, records=1, damaged=["one was"])
    return path.read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return written(tmp_path_factory.mktemp("whole") / "backup")


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    path = tmp_path / "backup"
    written(path)
    frames = list(read_frames(path))
    assert "".join(frame.kind for frame in frames) == "hocre"
    assert frames[1].body == b"o" * 1000
    assert chunk_of(frames[2]) == CHUNK
    assert frames[3].body.decode() == '[["notes",{"text":"Märzen"}]]'
    contents = check(path)
    assert contents[1:] == (1, 60, 1, ["one was"])


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_no_byte_can_change_unnoticed(
    data: st.DataObject, whole: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "changed"
    path.write_bytes(changed)
    with pytest.raises(BackupError):
        check(path)


@given(length=st.integers(0, 2000))
@settings(max_examples=100, deadline=None)
def test_no_part_of_it_is_a_backup(
    length: int, whole: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "part"
    path.write_bytes(whole[: min(length, len(whole) - 1)])
    with pytest.raises(BackupError):
        check(path)
    path.write_bytes(whole + whole[:1])
    with pytest.raises(BackupError):
        check(path)


def test_parts_of_two_backups_are_none(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "backup"
    path.write_bytes(whole)
    frames = list(read_frames(path))
    without_chunk = whole[: frames[1].end] + whole[frames[2].end :]
    path.write_bytes(without_chunk)
    with pytest.raises(BackupError, match="not those it was made of"):
        check(path)
    path.write_bytes(MAGIC + whole[frames[0].end :])
    with pytest.raises(BackupError, match="not in order"):
        check(path)
