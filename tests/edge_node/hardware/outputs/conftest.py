"""Pins to drive: gpiozero's own mock board where gpiozero is installed, and the stand-in always."""

import importlib.util
import sys
from collections.abc import Iterator
from typing import Any, Protocol

import pytest

from tests.edge_node.hardware.outputs import fake_gpiozero


class Pins(Protocol):
    """A board under test."""

    factory: Any

    def high(self, pin: int) -> bool: ...
    def pull(self, pin: int, high: bool) -> None: ...


class FakePins:
    def __init__(self) -> None:
        self.factory = fake_gpiozero.Board()

    def high(self, pin: int) -> bool:
        return self.factory.shows(pin)

    def pull(self, pin: int, high: bool) -> None:
        self.factory.levels[pin] = high


class MockPins:
    """gpiozero's MockFactory."""

    def __init__(self) -> None:
        self.factory = importlib.import_module("gpiozero.pins.mock").MockFactory()

    def high(self, pin: int) -> bool:
        return bool(self.factory.pin(pin).state)

    def pull(self, pin: int, high: bool) -> None:
        mock = self.factory.pin(pin)
        if high:
            mock.drive_high()
        else:
            mock.drive_low()


BOARDS = ["fake", *(["gpiozero"] if importlib.util.find_spec("gpiozero") else [])]


@pytest.fixture(params=BOARDS)
def pins(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pins]:
    """A board of either kind."""
    if request.param == "fake":
        monkeypatch.setitem(sys.modules, "gpiozero", fake_gpiozero)
        yield FakePins()
        return
    mock = MockPins()
    yield mock
    mock.factory.reset()


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> fake_gpiozero.Board:
    """The stand-in's board, whose pins can be broken."""
    monkeypatch.setitem(sys.modules, "gpiozero", fake_gpiozero)
    return fake_gpiozero.Board()
