"""The pairing window: two minutes, one code, one client."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.pairing import (
    ALPHABET,
    MAX_WRONG,
    WINDOW_MS,
    Closed,
    NoWindowError,
    PairingWindow,
    WrongCodeError,
    kernel_boot_id,
    new_code,
    pairing_line,
)

FINGERPRINT = "0123456789abcdef" * 4


class Boot:
    """A machine's boot, with its monotonic clock moved by hand."""

    def __init__(self, boot_id: str = "boot-1", mono_ms: int = 10_000) -> None:
        self.boot_id = boot_id
        self.mono_ms = mono_ms

    def window(self, folder: Path) -> PairingWindow:
        return PairingWindow(folder, mono_ms=lambda: self.mono_ms, boot_id=lambda: self.boot_id)


def test_a_window_opened_beside_the_node_is_seen_and_used_once(tmp_path: Path) -> None:
    boot = Boot()
    node, command = boot.window(tmp_path), boot.window(tmp_path)
    assert not node.is_open()
    code = command.open()
    assert node.is_open()
    node.use(code, "Home Assistant")
    assert not node.is_open()
    assert command.closed() is Closed.USED
    assert command.client() == "Home Assistant"
    with pytest.raises(NoWindowError):
        node.use(code, "Someone else")


def test_letters_may_be_typed_small(tmp_path: Path) -> None:
    window = Boot().window(tmp_path)
    window.use(window.open().lower(), "x")


def test_no_window_takes_no_code(tmp_path: Path) -> None:
    with pytest.raises(NoWindowError):
        Boot().window(tmp_path).use("ANYTHING", "x")


def test_five_wrong_codes_close_the_window_for_the_right_one_too(tmp_path: Path) -> None:
    window = Boot().window(tmp_path)
    code = window.open()
    for left in range(MAX_WRONG - 1, -1, -1):
        with pytest.raises(WrongCodeError) as caught:
            window.use("WRONG", "x")
        assert caught.value.left == left
    assert window.closed() is Closed.WRONG_CODES
    with pytest.raises(NoWindowError):
        window.use(code, "x")


def test_a_restart_of_the_node_gives_no_new_tries(tmp_path: Path) -> None:
    boot = Boot()
    boot.window(tmp_path).open()
    for _ in range(MAX_WRONG):
        with pytest.raises(WrongCodeError):
            boot.window(tmp_path).use("WRONG", "x")
    assert boot.window(tmp_path).closed() is Closed.WRONG_CODES


def test_four_wrong_codes_do_not_hurt(tmp_path: Path) -> None:
    window = Boot().window(tmp_path)
    code = window.open()
    for _ in range(MAX_WRONG - 1):
        with pytest.raises(WrongCodeError):
            window.use("WRONG", "x")
    window.use(code, "x")


def test_the_window_ends_after_two_minutes(tmp_path: Path) -> None:
    boot = Boot()
    window = boot.window(tmp_path)
    code = window.open()
    boot.mono_ms += WINDOW_MS - 1
    assert window.is_open()
    boot.mono_ms += 1
    assert window.closed() is Closed.EXPIRED
    with pytest.raises(NoWindowError):
        window.use(code, "x")


@given(mono_ms=st.integers(0, 10**12))
def test_no_window_survives_a_reboot(
    mono_ms: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("data")
    Boot().window(folder).open()
    assert not Boot("boot-2", mono_ms).window(folder).is_open()


def test_a_clock_that_runs_backward_opens_no_longer_window(tmp_path: Path) -> None:
    boot = Boot()
    window = boot.window(tmp_path)
    window.open()
    boot.mono_ms = 0
    assert not window.is_open()


def test_a_new_window_replaces_the_old_one_and_its_code(tmp_path: Path) -> None:
    window = Boot().window(tmp_path)
    first, second = window.open(), window.open()
    with pytest.raises(WrongCodeError):
        window.use(first, "x")
    window.use(second, "x")


def test_the_command_can_close_its_window(tmp_path: Path) -> None:
    window = Boot().window(tmp_path)
    window.open()
    window.close()
    assert window.closed() is Closed.CANCELLED


def test_the_file_holds_no_code_and_is_private(tmp_path: Path) -> None:
    code = Boot().window(tmp_path).open()
    for path in tmp_path.iterdir():
        assert code not in path.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"boot_id": 1}', "\x00"])
def test_a_damaged_file_is_a_closed_window_and_pair_mends_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "pairing.json").write_text(content)
    window = Boot().window(tmp_path)
    assert not window.is_open()
    window.use(window.open(), "x")


def test_a_standing_window_takes_its_code_again_and_again_and_no_other(tmp_path: Path) -> None:
    window = PairingWindow(tmp_path, standing_code="SIMULATED")
    for _ in range(3):
        assert window.is_open()
        window.use("simulated", "x")
    for _ in range(2 * MAX_WRONG):
        with pytest.raises(WrongCodeError):
            window.use("OTHER", "x")
    window.use("SIMULATED", "x")


def test_codes_differ_and_never_hold_a_dash_or_a_letter_like_a_digit() -> None:
    codes = {new_code() for _ in range(200)}
    assert len(codes) == 200
    assert all(len(code) == 10 and set(code) <= set(ALPHABET) for code in codes)
    assert not set(ALPHABET) & set("01IO-")


@pytest.mark.parametrize(
    ("host", "where"),
    [
        ("192.168.1.20", "192.168.1.20:8443"),
        ("my-brew-pi.local", "my-brew-pi.local:8443"),
        ("fd00::20", "[fd00::20]:8443"),
    ],
)
def test_the_line_is_read_from_the_right_whatever_the_host(host: str, where: str) -> None:
    line = pairing_line(host, 8443, FINGERPRINT, "ABCDE23456")
    head, prefix, code = line.rsplit("-", 2)
    assert head.removeprefix("SB1-") == where
    assert prefix == FINGERPRINT[:32]
    assert code == "ABCDE23456"


def test_this_kernel_has_a_boot_id(tmp_path: Path) -> None:
    assert len(kernel_boot_id()) == 36
    real = PairingWindow(tmp_path)
    real.open()
    assert PairingWindow(tmp_path).is_open()
