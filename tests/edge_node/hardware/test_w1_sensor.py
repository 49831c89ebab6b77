"""The production driver on files as kernels of all ages write them."""

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.hardware import scratchpad
from edge_node.hardware.probe_error import ProbeError
from edge_node.hardware.w1_sensor import W1Sensor, find_master

DEVICE = "28-0000000000a1"
GOOD = "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / DEVICE).mkdir()
    return tmp_path / DEVICE


def read(folder: Path, text: str) -> tuple[float, bool]:
    (folder / "w1_slave").write_text(text)
    return W1Sensor(folder.parent, folder.name).read()


def test_a_good_file_is_a_temperature(folder: Path) -> None:
    assert read(folder, GOOD) == (23.125, True)


def test_a_true_85_is_returned(folder: Path) -> None:
    line = "50 05 4b 46 7f ff 0c 10 1c"
    assert read(folder, f"{line} : crc=1c YES\n{line} t=85000\n") == (85.0, False)


def test_frost_is_negative(folder: Path) -> None:
    data = bytes.fromhex("5eff4b467fff0210")
    line = (data + bytes([scratchpad.crc8(data)])).hex(" ")
    assert read(folder, f"{line} : crc={line[-2:]} YES\n{line} t=-10125\n") == (-10.125, True)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "empty"),
        ("\n", "empty"),
        (GOOD.replace("YES", "NO"), "crc"),
        (GOOD.replace("72 01 4b 46 7f ff 0e 10 57 :", "73 01 4b 46 7f ff 0e 10 57 :"), "crc"),
        (GOOD.splitlines()[0], "short"),
        (GOOD[:30], "short"),
        (GOOD.replace("t=23125", ""), "short"),
        ("00 00 00 00 00 00 00 00 00 : crc=00 YES\n00 00 00 00 00 00 00 00 00 t=0\n", "zeros"),
        ("nonsense\nnonsense\n", "short"),
    ],
)
def test_every_failure_has_its_name(folder: Path, text: str, cause: str) -> None:
    with pytest.raises(ProbeError) as caught:
        read(folder, text)
    assert caught.value.cause == cause
    assert DEVICE in str(caught.value)


@given(st.text(alphabet="0123456789abcdef :=\nYESNOtcr-", max_size=120))
def test_no_text_is_anything_but_a_cause_or_a_whole_reading(text: str) -> None:
    lines = text.splitlines()
    if scratchpad.fault(lines) is None:
        assert len(lines) >= 2
        assert scratchpad.parse(lines[0]) == scratchpad.parse(lines[1]) is not None


def test_a_file_that_is_no_text_is_short(folder: Path) -> None:
    (folder / "w1_slave").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ProbeError) as caught:
        W1Sensor(folder.parent, DEVICE).read()
    assert caught.value.cause == "short"


def test_a_probe_that_is_gone_is_missing_and_may_come_back(folder: Path) -> None:
    sensor = W1Sensor(folder.parent, DEVICE)
    with pytest.raises(ProbeError) as caught:
        sensor.read()
    assert caught.value.cause == "missing"
    (folder / "w1_slave").write_text(GOOD)
    assert sensor.read()[0] == 23.125


def test_a_file_that_cannot_be_read_is_io(folder: Path) -> None:
    (folder / "w1_slave").mkdir()
    with pytest.raises(ProbeError) as caught:
        W1Sensor(folder.parent, DEVICE).read()
    assert caught.value.cause == "io"


def test_a_resolution_that_cannot_be_written_is_warned_of_and_the_probe_is_used(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "resolution").mkdir()  # root may write any file, but no folder
    (folder / "ext_power").write_text("1\n")
    with caplog.at_level(logging.WARNING):
        assert W1Sensor(folder.parent, DEVICE).prepare(12) == "external"
    assert f"Probe {DEVICE} keeps its resolution" in caplog.text


def test_a_kernel_that_does_not_tell_the_power_mode_gives_none(folder: Path) -> None:
    (folder / "resolution").write_text("12\n")
    assert W1Sensor(folder.parent, DEVICE).prepare(12) is None


def test_a_ds18s20_keeps_its_resolution(tmp_path: Path) -> None:
    (tmp_path / "10-0000000000a1").mkdir()
    (tmp_path / "10-0000000000a1" / "resolution").write_text("9\n")
    W1Sensor(tmp_path, "10-0000000000a1").prepare(12)
    assert (tmp_path / "10-0000000000a1" / "resolution").read_text() == "9\n"


def test_only_the_ds28ea00_cannot_convert_in_bulk(tmp_path: Path) -> None:
    assert W1Sensor(tmp_path, DEVICE).bulk_capable
    assert not W1Sensor(tmp_path, "42-0000000000a1").bulk_capable


def test_the_master_is_where_the_link_leads(tmp_path: Path) -> None:
    real = tmp_path / "devices" / "w1_bus_master2"
    (real / DEVICE).mkdir(parents=True)
    root = tmp_path / "root"
    root.mkdir()
    (root / DEVICE).symlink_to(real / DEVICE)
    (root / "w1_bus_master2").symlink_to(real)
    assert find_master(root, DEVICE) == root / "w1_bus_master2"


def test_or_the_master_lists_the_device(tmp_path: Path) -> None:
    for number, text in ((1, "28-0000000000b2\n"), (2, f"28-0000000000c3\n{DEVICE}\n")):
        (tmp_path / f"w1_bus_master{number}").mkdir()
        (tmp_path / f"w1_bus_master{number}" / "w1_master_slaves").write_text(text)
    (tmp_path / "w1_bus_master0").mkdir()  # one that cannot be asked
    assert find_master(tmp_path, DEVICE) == tmp_path / "w1_bus_master2"
    assert find_master(tmp_path, "28-0000000000d4") is None
