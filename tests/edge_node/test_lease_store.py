"""The promise on disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_node.lease import Promise
from edge_node.lease_store import LeaseStore
from edge_node.secret_file import SecretFileError

PROMISE = Promise(2**53 - 1, "sérver", "session")


def path_of(tmp_path: Path) -> Path:
    return tmp_path / "leases" / "mash-tun.json"


def test_a_promise_is_read_back_for_its_kettle_only(tmp_path: Path) -> None:
    LeaseStore(tmp_path).save("mash-tun", PROMISE)
    assert LeaseStore(tmp_path).load("mash-tun") == PROMISE
    assert LeaseStore(tmp_path).load("boil") is None
    assert stat.S_IMODE(path_of(tmp_path).stat().st_mode) == 0o600


def test_another_kettles_file_is_no_promise(tmp_path: Path) -> None:
    LeaseStore(tmp_path).save("mash-tun", PROMISE)
    path_of(tmp_path).rename(path_of(tmp_path).with_name("boil.json"))
    assert LeaseStore(tmp_path).load("boil") is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("9007199254740991", "9007199254740990"),
        lambda text: text.replace("session", "sessiom"),
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: "{}",
        lambda text: text.replace('"promise"', '"premise"'),
        lambda text: '{"promise": 7, "crc32": 0}',
    ],
)
def test_a_damaged_promise_is_lost_and_said_to_be(
    tmp_path: Path,
    damage: Callable[[str], str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = LeaseStore(tmp_path)
    store.save("mash-tun", PROMISE)
    path = path_of(tmp_path)
    path.write_text(damage(path.read_text()))
    assert store.load("mash-tun") is None
    assert "mash-tun" in caplog.text
    store.save("mash-tun", PROMISE)
    assert store.load("mash-tun") == PROMISE


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_promise_that_cannot_be_written_is_an_error_and_the_old_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    store = LeaseStore(tmp_path)
    store.save("mash-tun", PROMISE)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(SecretFileError, match="No space left"):
        store.save("mash-tun", Promise(1, "b", "b1"))
    assert store.load("mash-tun") == PROMISE


def test_a_promise_is_durable_when_save_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contents, then the name, then the folder that holds the name, and its own name once."""
    done: list[str] = []
    fsync, rename = os.fsync, os.rename

    def spy_fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        done.append(f"fsync {kind}")
        fsync(descriptor)

    def spy_rename(source: str, target: Path) -> None:
        done.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "rename", spy_rename)
    LeaseStore(tmp_path).save("mash-tun", PROMISE)
    assert done == ["fsync folder", "fsync file", "rename", "fsync folder"]
