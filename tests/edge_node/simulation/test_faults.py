"""The simulated scratchpad, byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.hardware import scratchpad as parsing
from edge_node.simulation.faults import (
    Fault,
    faulty_scratchpad,
    milli_celsius,
    scratchpad,
    w1_slave_no_text,
    w1_slave_text,
)


# Lines as real kernels have printed them.
@pytest.mark.parametrize(
    ("code", "byte_6", "line"),
    [
        (0x0172, None, "72 01 4b 46 7f ff 0e 10 57"),
        (0x0550, 0x0C, "50 05 4b 46 7f ff 0c 10 1c"),
    ],
)
def test_a_scratchpad_is_that_of_a_real_part(code: int, byte_6: int | None, line: str) -> None:
    assert scratchpad(code, 12, byte_6).hex(" ") == line


def test_the_file_is_what_the_kernel_prints() -> None:
    assert w1_slave_text(scratchpad(0x0172, 12)) == (
        b"72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n"
    )


@pytest.mark.parametrize(("code", "milli"), [(-1, -62), (-168, -10500), (2000, 125000), (0, 0)])
def test_thousandths_are_truncated_toward_zero_as_in_c(code: int, milli: int) -> None:
    assert w1_slave_text(scratchpad(code, 12)).endswith(f"t={milli}\n".encode())


@given(st.integers(-880, 2000), st.sampled_from([9, 10, 11, 12]))
def test_every_good_text_is_read_as_good_and_genuine(code: int, bits: int) -> None:
    data = scratchpad(code, bits)
    assert parsing.fault(w1_slave_text(data).decode().splitlines()) is None
    assert parsing.looks_genuine(data)


@pytest.mark.parametrize(
    ("fault", "cause"), [(Fault.ZEROS, "zeros"), (Fault.POWER_ON, None), (Fault.NO_POWER, None)]
)
def test_a_faulty_scratchpad_has_a_valid_checksum_all_the_same(
    fault: Fault, cause: str | None
) -> None:
    data = faulty_scratchpad(fault, scratchpad(320, 12), 12)
    assert parsing.crc8(data) == 0
    assert parsing.fault(w1_slave_text(data).decode().splitlines()) == cause


def test_an_old_kernels_no_is_a_crc_fault() -> None:
    lines = w1_slave_no_text(scratchpad(320, 12)).decode().splitlines()
    assert lines[0].endswith("NO")
    assert parsing.fault(lines) == "crc"


@pytest.mark.parametrize(
    ("fault", "milli"),
    [
        (Fault.HIGH, 30_000),
        (Fault.LOW, 10_000),
        (Fault.CLONE, 25_000),
        (Fault.DISCONNECTED, -127_000),
        (Fault.POWER_ON, 85_000),
    ],
)
def test_a_probe_that_lies_does_so_with_a_valid_checksum(fault: Fault, milli: int) -> None:
    data = faulty_scratchpad(fault, scratchpad(20 * 16, 12), 12)
    assert parsing.crc8(data) == 0
    assert milli_celsius(data) == milli
