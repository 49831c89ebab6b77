"""Transducers at an analogue input."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.hardware.iio import IioInput, Span
from edge_node.hardware.probe_error import ProbeError

VOLTS = Span(0.5, 4.5, 0, 413.7)
MILLIAMPERES = Span(4, 20, 0, 400, milliamperes=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "iio:device0").mkdir()
    return tmp_path / "iio:device0"


def fill(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("span", "signal", "value"),
    [
        (VOLTS, 0.5, 0.0),
        (VOLTS, 2.5, 206.85),
        (VOLTS, 4.5, 413.7),
        (VOLTS, 0.25, -25.856),
        (MILLIAMPERES, 4, 0),
        (MILLIAMPERES, 12, 200),
        (MILLIAMPERES, 3.6, -10),
        (MILLIAMPERES, 21, 425),
    ],
)
def test_a_signal_is_a_place_on_the_span(span: Span, signal: float, value: float) -> None:
    assert span.value(signal) == pytest.approx(value, abs=0.001)


@pytest.mark.parametrize(
    ("span", "signal"),
    [
        (VOLTS, 0.249),
        (VOLTS, 4.751),
        (VOLTS, 0.0),
        (MILLIAMPERES, 3.59),
        (MILLIAMPERES, 21.01),
        (MILLIAMPERES, 0),
    ],
)
def test_what_only_a_broken_wire_gives_is_out_of_range(span: Span, signal: float) -> None:
    with pytest.raises(ProbeError, match="broken wire") as caught:
        span.value(signal)
    assert caught.value.cause == "range"


@given(st.floats(0.3, 4.7))
def test_a_span_may_fall(signal: float) -> None:
    falling = Span(0.5, 4.5, 413.7, 0)
    assert falling.value(signal) == pytest.approx(413.7 - VOLTS.value(signal))


def test_volts_are_raw_plus_offset_times_scale(folder: Path) -> None:
    fill(folder, in_voltage0_raw="13333\n", in_voltage0_scale="0.187500000\n")
    source = IioInput(folder.parent, "iio:device0", "voltage0")
    assert source.signal() == pytest.approx(13333 * 0.1875 / 1000)
    fill(folder, in_voltage0_offset="-13000\n")
    assert source.signal() == pytest.approx(333 * 0.1875 / 1000)


def test_one_scale_may_serve_all_inputs(folder: Path) -> None:
    fill(folder, in_voltage3_raw="1000", in_voltage_scale="2.0")
    assert IioInput(folder.parent, "iio:device0", "voltage3").signal() == pytest.approx(2.0)


def test_a_shunt_makes_milliamperes_of_volts(folder: Path) -> None:
    fill(folder, in_voltage0_raw="12000", in_voltage0_scale="0.1")  # 1.2 V
    source = IioInput(folder.parent, "iio:device0", "voltage0", shunt_ohms=100)
    assert source.milliamperes
    assert source.signal() == pytest.approx(12.0)


def test_a_current_input_gives_milliamperes_itself(folder: Path) -> None:
    fill(folder, in_current0_raw="120", in_current0_scale="0.1")
    source = IioInput(folder.parent, "iio:device0", "current0")
    assert source.milliamperes
    assert source.signal() == pytest.approx(12.0)


@pytest.mark.parametrize(
    ("files", "cause"),
    [
        ({}, "missing"),
        ({"in_voltage0_raw": "1"}, "missing"),
        ({"in_voltage0_raw": "", "in_voltage0_scale": "1"}, "empty"),
        ({"in_voltage0_raw": "1x", "in_voltage0_scale": "1"}, "short"),
    ],
)
def test_every_failure_has_its_name(folder: Path, files: dict[str, str], cause: str) -> None:
    fill(folder, **files)
    with pytest.raises(ProbeError) as caught:
        IioInput(folder.parent, "iio:device0", "voltage0").signal()
    assert caught.value.cause == cause


def test_a_file_that_cannot_be_read_is_io(folder: Path) -> None:
    (folder / "in_voltage0_raw").mkdir()
    with pytest.raises(ProbeError) as caught:
        IioInput(folder.parent, "iio:device0", "voltage0").signal()
    assert caught.value.cause == "io"
