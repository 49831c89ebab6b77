"""`install-service` below another root: what it writes, and where."""

import argparse
from pathlib import Path

import pytest

from edge_node import cli_service
from edge_node.cli import main


def test_every_shipped_file_lands_where_the_system_looks_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["install-service", "--root", str(tmp_path)]) == 0
    unit = tmp_path / "etc/systemd/system/smart-beer-edge.service"
    assert unit.is_file()
    assert (tmp_path / "etc/sysusers.d/smart-beer.conf").is_file()
    assert list((tmp_path / "etc/udev/rules.d").glob("*.rules"))
    assert str(unit) in capsys.readouterr().out


def test_the_units_run_the_commands_of_this_installation(tmp_path: Path) -> None:
    written = cli_service.write_files(tmp_path, Path("/srv/beer/bin"))
    text = written["smart-beer-edge.service"].read_text()
    assert "ExecStart=/srv/beer/bin/smart-beer-edge run" in text
    assert "/opt/pipx" not in text


def test_without_root_rights_it_says_how_to_run_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["install-service"]) == 2
    assert "run it with sudo" in capsys.readouterr().err


def test_an_installation_that_others_cannot_reach_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = tmp_path / "closed"
    (closed / "bin").mkdir(parents=True)
    closed.chmod(0o700)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda _name: "/bin/systemctl")
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(closed / "bin"))
    assert main(["install-service"]) == 2
    assert "is closed to other users" in capsys.readouterr().err


def test_it_is_listed_with_the_other_commands() -> None:
    parser = argparse.ArgumentParser()
    cli_service.register(parser.add_subparsers())
    assert "install-service" in parser.format_help()
