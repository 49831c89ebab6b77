"""`install-service` below another root: what it writes, and when it refuses."""

from pathlib import Path

import pytest

from storage_bridge import cli_service
from storage_bridge.cli import main

ROOT = Path(__file__).parents[2]


def test_the_unit_and_the_user_land_where_the_system_looks_for_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["install-service", "--root", str(tmp_path)]) == 0
    unit = tmp_path / "etc/systemd/system/smart-beer-bridge.service"
    assert unit.is_file()
    assert (tmp_path / "etc/sysusers.d/smart-beer-bridge.conf").is_file()
    assert str(unit) in capsys.readouterr().out


def test_the_unit_runs_the_command_of_this_installation(tmp_path: Path) -> None:
    unit, _ = cli_service.write_files(tmp_path, Path("/srv/beer/bin"))
    text = unit.read_text()
    assert "ExecStart=/srv/beer/bin/smart-beer-bridge run --config" in text
    assert "/usr/local" not in text


def test_the_user_is_declared_as_for_a_node_on_the_same_machine(tmp_path: Path) -> None:
    _, conf = cli_service.write_files(tmp_path, Path("/bin"))
    node = ROOT / "edge_node" / "systemd" / "smart-beer.sysusers.conf"
    assert conf.read_text().strip() in node.read_text().splitlines()


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
