"""Gains that an autotune found and a person applied: kept, and no longer than they hold."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_node.control.tuning import kettle_gains
from edge_node.lease import Refused
from edge_node.secret_file import SecretFileError
from tests.edge_node.actuation_bench import TEXT, Bench
from tests.edge_node.gains_child import FOUND


def test_applied_gains_outlive_a_restart_until_the_configuration_says_otherwise(
    bench: Bench, make: Callable[..., Bench]
) -> None:
    loop = bench.core.loops["c"]
    loop.tuned = FOUND
    assert not isinstance(bench.control(autotune="apply"), Refused)
    bench.close()

    def gains(text: str = TEXT) -> tuple[float, str]:
        again = make(text)
        again.actuation.gains.keep()
        state = again.state["controllers"]["c"]["state"]
        again.close()
        return state["kp"], state["gains"]

    calculated = kettle_gains(20, 3500, window_s=5).kp
    assert gains() == (18.0, "autotune")
    assert gains() == (18.0, "autotune")
    own = TEXT.replace("range: [20, 90]", "pid: {kp: 30, ti_s: 200}")
    assert gains(own) == (30.0, "configured")
    assert gains() == (calculated, "calculated")  # dropped for good


@pytest.mark.parametrize("change", [("volume_l: 20", "volume_l: 25"), ("3500", "3000")])
def test_applied_gains_are_those_of_their_kettle_and_element_only(
    bench: Bench, make: Callable[..., Bench], change: tuple[str, str]
) -> None:
    bench.core.loops["c"].tuned = FOUND
    bench.control(autotune="apply")
    bench.close()
    again = make(TEXT.replace(*change))
    assert again.state["controllers"]["c"]["state"]["gains"] == "calculated"


def test_gains_that_cannot_be_kept_are_not_told_to_be(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise SecretFileError("no space")

    monkeypatch.setattr("edge_node.gain_store.write_kept", full)
    bench.core.loops["c"].tuned = FOUND
    refused = bench.control(autotune="apply")
    assert isinstance(refused, Refused)
    assert (refused.status, refused.code) == (503, "not_stored")


def test_a_full_disk_is_told_and_the_gains_are_in_use_and_kept_once_there_is_room(
    tmp_path: Path, make: Callable[..., Bench]
) -> None:
    """The kernel itself refuses to let the file grow, in a process of its own."""
    child = subprocess.run(
        [sys.executable, "-m", "tests.edge_node.gains_child", tmp_path],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    full, still_full, room = (json.loads(line) for line in child.stdout.splitlines())
    assert full["answer"] == [503, "not_stored"]
    text = full["alarms"]["gains_not_kept"]
    assert "Node n cannot keep the gains" in text
    assert "gains.json" in text
    assert "File too large" in text
    for said in (full, still_full, room):
        assert (said["mode"], said["gains"], said["kp"]) == ("auto", "autotune", 18.0)
        assert said["heater"]["actual"] > 0
        assert said["heater"]["limited_by"] is None
    assert still_full["alarms"].keys() == {"gains_not_kept"}
    assert room["alarms"] == {}
    assert child.stderr.count("cannot be kept") == 1, "it is logged once"
    again = make()
    assert again.state["controllers"]["c"]["state"]["kp"] == 18.0


@pytest.mark.parametrize(
    "content", ["", "{", '{"kept": {}, "crc32": 1}', '{"kept": {"c": {}}, "crc32": 0}']
)
def test_gains_that_cannot_be_read_leave_those_of_the_configuration(
    bench: Bench, make: Callable[..., Bench], content: str
) -> None:
    bench.core.loops["c"].tuned = FOUND
    bench.control(autotune="apply")
    bench.close()
    (bench.config.data_dir / "gains.json").write_text(content)
    assert make().state["controllers"]["c"]["state"]["gains"] == "calculated"
