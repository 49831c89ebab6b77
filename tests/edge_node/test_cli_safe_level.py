from pathlib import Path

import pytest

from edge_node.cli import main

CONFIG = """
nonsense: here
actuators:
  - {id: heater, kind: heater, driver: simulated, file: levels/heater}
  - {id: valve, kind: valve, driver: simulated, file: levels/valve, safe: on}
"""


def test_every_output_gets_its_safe_level(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "edge.yaml").write_text(CONFIG)
    (tmp_path / "levels").mkdir()
    (tmp_path / "levels/heater").write_text("100\n")
    assert main(["safe-level", "--config", str(tmp_path / "edge.yaml")]) == 0
    assert "2 output(s)" in capsys.readouterr().out
    assert (tmp_path / "levels/heater").read_text() == "  0\n"
    assert (tmp_path / "levels/valve").read_text() == "100\n"


def test_an_output_that_cannot_be_set_is_named_and_the_others_are_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "edge.yaml").write_text(CONFIG)
    (tmp_path / "levels/valve").mkdir(parents=True)
    assert main(["safe-level", "--config", str(tmp_path / "edge.yaml")]) == 2
    assert "Output valve is not at its safe level" in capsys.readouterr().err
    assert (tmp_path / "levels/heater").read_text() == "  0\n"
