"""Weakenings of the supervisor: without any one permit, trip or rule a named test fails.

Each is (name, file, text that occurs once in it, what replaces it, tests that must fail).
"""

import re
from pathlib import Path
from typing import Final, NamedTuple


class Mutant(NamedTuple):
    """One weakening; paths are relative to the repository."""

    name: str
    file: str
    old: str
    new: str
    tests: str


_SAFETY: Final = "edge_node/safety/"
_TESTS: Final = "tests/edge_node/safety/"
_ONE: Final = _TESTS + "test_permits.py"
_DAY: Final = _TESTS + "test_trips_on_kettle.py"
_LATCHES: Final = _TESTS + "test_latches.py"

_PERMITS: Final = (
    "stop",
    "safe",
    "latched",
    "lease",
    "hold_expired",
    "process_value",
    "disagreement",
    "high_limit",
    "interlock",
    "max_on",
    "max_on_hour",
    "min_off",
    "requires",
    "mutex",
    "power_budget",
    "min_on",
)

_TRIPS: Final = {
    "over_temperature": 'yield "over_temperature", text',
    "probes_lost": 'yield "probes_lost", text',
    "stuck_relay": "if self._completed and (text := self._rise_off(now)):\n            yield",
    "no_rise": 'yield "no_rise", text',
    "too_fast": 'yield "too_fast", text',
    "cross_talk": 'yield "cross_talk", text',
}


def _without_permit(name: str) -> Mutant:
    head = f"def {name}(case: Case) -> bool:\n"
    return Mutant(
        f"no permit {name}",
        _SAFETY + "permits.py",
        head,
        f"{head}    return True\n\n\ndef _{name}_unused(case: Case) -> bool:\n",
        f"{_ONE} -k test_{name}",
    )


def _without_trip(name: str, line: str) -> Mutant:
    new = line.replace("if self._completed", "if False").replace("yield", "yield", 1)
    if new == line:
        new = "pass"
    return Mutant(f"no trip {name}", _SAFETY + "trips.py", line, new, _DAY)


MUTANTS: Final = (
    *(_without_permit(name) for name in _PERMITS),
    *(_without_trip(name, line) for name, line in _TRIPS.items()),
    Mutant(
        "a lapse masks and does not clear",
        _SAFETY + "authority.py",
        "self.dead_until = now if commander is None else self._seen",
        "self.dead_until = _NEVER",
        _LATCHES,
    ),
    Mutant(
        "a latch is cleared while its cause lasts",
        _SAFETY + "supervisor.py",
        "if reason is not None:\n                return Refused(reason)",
        "",
        _LATCHES,
    ),
    Mutant(
        "a defect leaves heat on",
        _SAFETY + "supervisor.py",
        'return self._all_off("safe", new)',
        "raise",
        _LATCHES,
    ),
    Mutant(
        "unreadable latches are none",
        _SAFETY + "latches.py",
        "if stored is None:",
        "stored = stored or []\n        if False:",
        _LATCHES,
    ),
    Mutant(
        "an own probe is an outlier on one other's word",
        _SAFETY + "process_value.py",
        "len(others) >= _TWO",
        "len(others) >= 1",
        _LATCHES,
    ),
    Mutant(
        "a reference of one probe counts",
        _SAFETY + "process_value.py",
        "len(set(reference.probes)) >= _TWO",
        "len(set(reference.probes)) >= 1",
        _LATCHES,
    ),
)


def applied(mutant: Mutant, root: Path) -> str:
    """The mutated text of its file; ValueError if the text to replace is not there just once."""
    text = (root / mutant.file).read_text("utf-8")
    if len(re.findall(re.escape(mutant.old), text)) != 1:
        raise ValueError(f"{mutant.name}: {mutant.old!r} is not just once in {mutant.file}")
    return text.replace(mutant.old, mutant.new)
