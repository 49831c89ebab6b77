"""The enable line on a GPIO chip: what is asked of the kernel."""

import os
import struct
from pathlib import Path

import pytest

from edge_node.guard.line import GET_LINE, REQUEST, SET_VALUES, FileLine, GpioLine


class Kernel:
    """Answers the two requests as `linux/gpio.h` lays them out (x86-64 and ARM alike)."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDONLY)
        self.requests: list[bytes] = []
        self.values: list[tuple[int, int]] = []

    def ioctl(self, _descriptor: int, request: int, data: bytearray) -> int:
        # The size of its argument stands in bits 16-29 of a request.
        assert (request >> 16) & 0x3FFF == len(data)
        if request == GET_LINE:
            self.requests.append(bytes(data))
            struct.pack_into("=i", data, 588, self.fd)
        else:
            assert (request, _descriptor) == (SET_VALUES, self.fd)
            self.values.append(struct.unpack("=QQ", data))
        return 0


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    (tmp_path / "chip").touch()
    kernel = Kernel(tmp_path / "chip")
    monkeypatch.setattr("fcntl.ioctl", kernel.ioctl)
    return kernel


def test_the_line_is_claimed_as_an_output_that_is_low(kernel: Kernel, tmp_path: Path) -> None:
    GpioLine(tmp_path / "chip", 25)
    (request,) = kernel.requests
    assert len(request) == REQUEST.size == 592
    assert struct.unpack_from("=I", request, 0) == (25,)  # offsets[0]
    assert request[256:288].rstrip(b"\0") == b"smart-beer-guard"
    assert struct.unpack_from("=QI", request, 288) == (8, 0)  # output; no attributes: no value
    assert struct.unpack_from("=I", request, 560) == (1,)  # one line


def test_the_line_is_driven_high_and_low(kernel: Kernel, tmp_path: Path) -> None:
    enable = GpioLine(tmp_path / "chip", 25)
    for high in (True, False, True):
        enable.set(high)
    assert kernel.values == [(1, 1), (0, 1), (1, 1)]


def test_a_chip_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        GpioLine(tmp_path / "nowhere", 25)


def test_a_simulated_line_counts_its_edges(tmp_path: Path) -> None:
    enable = FileLine(tmp_path / "enable" / "n")
    seen = []
    for high in (False, True, True, False, True):
        enable.set(high)
        seen.append(int((tmp_path / "enable" / "n").read_text()))
    assert seen == [0, 1, 1, 2, 3]
