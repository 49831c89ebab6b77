"""The trees, as a driver sees them."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_node.simulation.faults import Fault
from edge_node.simulation.sysfs import MASTER, IioTree, W1Tree
from tests.edge_node.simulation.test_pipes import WAIT_S, Call, until, write

A, B = "28-0000000000a1", "28-0000000000b2"


class Water:
    """What the simulated probes measure, sixteenths of a degree."""

    code = 0x0172

    def convert(self, bits: int) -> int:
        self.bits = bits
        return self.code


@pytest.fixture
def water() -> Water:
    return Water()


@pytest.fixture
def tree(tmp_path: Path, water: Water) -> Iterator[W1Tree]:
    tree = W1Tree(tmp_path, {A: water.convert, B: lambda bits: 400}, time_scale=0.02)
    tree.start()
    yield tree
    tree.stop()


def trigger(tree: W1Tree) -> None:
    write(tree.root / MASTER / "therm_bulk_read")


def slave(tree: W1Tree, device: str = A) -> str:
    return (tree.root / device / "w1_slave").read_text()


def test_the_tree_has_what_the_kernel_shows(tree: W1Tree) -> None:
    assert {path.name for path in tree.root.iterdir()} == {MASTER, A, B}
    assert (tree.root / A).resolve() == (tree.root / MASTER / A).resolve()
    files = {path.name: path.read_text() for path in (tree.root / A).iterdir()}
    assert files == {
        "name": f"{A}\n",
        "w1_slave": "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n",
        "temperature": "23125\n",
        "resolution": "12\n",
        "conv_time": "750\n",
        "ext_power": "1\n",
        "alarms": "70 75\n",
        "features": "0\n",
    }
    master = tree.root / MASTER
    assert (master / "w1_master_slaves").read_text() == f"{A}\n{B}\n"
    assert (master / "w1_master_slave_count").read_text() == "2\n"


def test_a_probe_shows_its_last_conversion_until_the_next_trigger(
    tree: W1Tree, water: Water
) -> None:
    water.code = 500
    assert slave(tree).endswith("t=23125\n")
    trigger(tree)
    assert slave(tree).endswith("t=31250\n")
    assert (tree.root / A / "temperature").read_text() == "31250\n"
    until(lambda: tree.bulk_conversions == 1)


def test_the_resolution_file_sets_the_next_conversions_bits_and_the_config_byte(
    tree: W1Tree, water: Water
) -> None:
    (tree.root / A / "resolution").write_text("9\n")
    trigger(tree)
    assert water.bits == 9
    assert slave(tree).split()[4] == "1f"
    (tree.root / A / "resolution").write_text("")  # caught half-written
    trigger(tree)
    assert water.bits == 9


@pytest.mark.parametrize(
    ("fault", "start", "end"),
    [
        (Fault.POWER_ON, "50 05 4b 46 7f ff 0c 10 1c : crc=1c YES", "t=85000\n"),
        (Fault.NO_POWER, "ff 07 4b 46 7f ff 0c 10", "t=127937\n"),
        (Fault.ZEROS, "00 00 00 00 00 00 00 00 00 : crc=00 YES", "t=0\n"),
        (Fault.BAD_CRC, "72 01", "t=23125\n"),
        (Fault.CROSS_TALK, "90 01", "t=25000\n"),
        (Fault.FROZEN, "72 01", "t=23125\n"),
    ],
)
def test_a_fault_shows_at_once_and_ends_with_the_next_conversion(
    tree: W1Tree, water: Water, fault: Fault, start: str, end: str
) -> None:
    tree.set_fault(A, fault)
    assert slave(tree).startswith(start)
    water.code = 0x0182
    trigger(tree)
    if fault is not Fault.BAD_CRC:
        assert slave(tree).endswith(end)
    tree.set_fault(A, None)
    trigger(tree)
    assert slave(tree).endswith("t=24125\n")


def test_an_empty_read_is_an_empty_file(tree: W1Tree) -> None:
    tree.set_fault(A, Fault.EMPTY)
    trigger(tree)
    assert slave(tree) == (tree.root / A / "temperature").read_text() == ""
    assert slave(tree, B) != ""


def test_a_missing_probe_vanishes_with_its_folder_and_comes_back(tree: W1Tree) -> None:
    tree.set_fault(A, Fault.MISSING)
    trigger(tree)
    assert {path.name for path in tree.root.iterdir()} == {MASTER, B}
    assert (tree.root / MASTER / "w1_master_slaves").read_text() == f"{B}\n"
    tree.set_fault(A, None)
    trigger(tree)
    assert slave(tree).endswith("t=23125\n")
    assert (tree.root / MASTER / "w1_master_slave_count").read_text() == "2\n"


def test_a_slow_probe_holds_its_reader_and_lets_go_when_the_fault_ends(
    tree: W1Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_node.simulation.sysfs.SLOW_S", 3600.0)  # longer than any standstill
    come, real = threading.Event(), W1Tree._delay

    def delay(tree: W1Tree, device: Any) -> float:
        come.set()
        return real(tree, device)

    monkeypatch.setattr(W1Tree, "_delay", delay)
    tree.set_fault(A, Fault.SLOW)
    reader = Call(lambda: slave(tree))
    assert come.wait(WAIT_S)
    trigger(tree)
    assert slave(tree, B).endswith("t=25000\n")
    assert reader.is_alive()
    tree.set_fault(A, Fault.MISSING)
    assert reader.ended() == ""
    tree.set_fault(A, None)
    assert slave(tree).endswith("t=23125\n")


def test_cross_talk_needs_a_second_probe(tmp_path: Path) -> None:
    tree = W1Tree(tmp_path, {A: lambda bits: 0})
    with pytest.raises(ValueError, match="alone on its bus"):
        tree.set_fault(A, Fault.CROSS_TALK)


def test_without_bulk_each_read_is_a_conversion_of_its_own(tmp_path: Path, water: Water) -> None:
    tree = W1Tree(tmp_path, {A: water.convert, B: lambda bits: 400}, bulk=False, time_scale=0.02)
    tree.start()
    assert not (tmp_path / MASTER / "therm_bulk_read").exists()
    before = tree.conversions(A)
    water.code = 500
    assert slave(tree).endswith("t=31250\n")
    assert slave(tree).endswith("t=31250\n")
    assert tree.conversions(A) == before + 2
    tree.stop()


def test_a_tree_left_by_a_killed_run_is_taken_over(tmp_path: Path, tree: W1Tree) -> None:
    tree.set_fault(A, Fault.SLOW)
    tree.stop()
    again = W1Tree(tmp_path, {A: lambda bits: 320, B: lambda bits: 400}, time_scale=0.02)
    again.start()
    assert slave(again).endswith("t=20000\n")
    trigger(again)
    until(lambda: again.bulk_conversions == 1)
    again.stop()


def test_an_analogue_input_shows_its_code_and_scale(tmp_path: Path) -> None:
    millivolts = [500.0]
    tree = IioTree(tmp_path, {0: lambda: millivolts[0]})
    tree.start()
    folder = tmp_path / "iio:device0"
    assert (folder / "name").read_text() == "ads1115\n"
    assert (folder / "in_voltage0_raw").read_text() == "2667\n"
    assert (folder / "in_voltage0_scale").read_text() == "0.1875\n"
    tree.set_fault(0, Fault.FROZEN)
    millivolts[0] = 1500.0
    tree.update()
    assert (folder / "in_voltage0_raw").read_text() == "2667\n"
    for fault, text in ((Fault.ZEROS, "0\n"), (Fault.EMPTY, ""), (None, "8000\n")):
        tree.set_fault(0, fault)
        tree.update()
        assert (folder / "in_voltage0_raw").read_text() == text
    tree.set_fault(0, Fault.MISSING)
    tree.update()
    assert not (folder / "in_voltage0_raw").exists()
