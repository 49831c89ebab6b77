"""Private files that a command run as root leaves beside the service."""

import os
from pathlib import Path

import pytest

from edge_node.secret_file import locked, read_json, write_json


def test_a_file_is_private_and_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "clients.json"
    write_json(path, {"a": 1})
    write_json(path, {"b": 2})
    assert read_json(path) == {"b": 2}
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_root_writes_belongs_to_the_owner_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", lambda _fd, uid, gid: given.append((uid, gid)))
    folder = os.stat_result((0o700, 1, 1, 1, 4711, 4712, 0, 0, 0, 0))
    monkeypatch.setattr(Path, "stat", lambda _self: folder)
    path = tmp_path / "pairing.json"
    with locked(path):
        write_json(path, {})
    assert given == [(4711, 4712), (4711, 4712)]
