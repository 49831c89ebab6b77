"""The id of this server."""

import re
import stat
from typing import TYPE_CHECKING

import pytest

from custom_components.smart_beer.server_id import OWN_NAME, load_server_id

if TYPE_CHECKING:
    from pathlib import Path


def test_the_installed_id_is_used_where_there_is_one(tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    installed.write_text("brewery-east\n")
    assert load_server_id(tmp_path, installed) == "brewery-east"
    assert not (tmp_path / OWN_NAME).exists()


def test_else_one_is_made_kept_and_nobody_elses_business(tmp_path: Path) -> None:
    made = load_server_id(tmp_path, tmp_path / "none")
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert load_server_id(tmp_path, tmp_path / "none") == made
    assert stat.S_IMODE((tmp_path / OWN_NAME).stat().st_mode) == 0o600


def test_what_a_crash_left_of_an_earlier_attempt_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / f"{OWN_NAME}.new").write_text("half")
    made = load_server_id(tmp_path, tmp_path / "none")
    assert (tmp_path / OWN_NAME).read_text() == f"{made}\n"


@pytest.mark.parametrize("content", ["", "two words", "override", "x" * 65, "a/b", b"\xff"])
def test_a_file_that_holds_no_id_is_told_of_and_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str | bytes
) -> None:
    installed = tmp_path / "installed"
    installed.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert re.fullmatch("[0-9a-f]{32}", load_server_id(tmp_path, installed))
    assert str(installed) in caplog.text


def test_a_folder_that_takes_no_file_gives_an_id_for_this_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = tmp_path / "nowhere"
    made = load_server_id(nowhere, tmp_path / "none")
    assert load_server_id(nowhere, tmp_path / "none") != made
    assert "another one after each restart" in caplog.text
