"""The proof of `scripts/demo --check` finds what is missing, invented or there twice."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts.demo_brewery.check import Key, Summary, compare, print_summary
from scripts.demo_brewery.driving import Driven

LATENCY = {"p50": 10.0, "p95": 20.0, "max": 30.0, "n": 3}
DRIVEN = Driven(pump_on=True, pump_off=True, setpoint=70.0, heating=True, rose_k=0.6, heat_off=True)
KEYS: list[Key] = [("a/t", 1000), ("a/t", 2000), ("b/t", 1000)]


def _compare(
    took: list[Key],
    store: list[Key],
    expected: list[Key] | None = None,
    shots: tuple[str, ...] = ("brewery.png",),
    driven: Driven = DRIVEN,
    tiers: dict[str, int] | None = None,
) -> Summary:
    before = Counter(took if expected is None else expected)
    return compare(before, Counter(took), Counter(store), LATENCY, list(shots), 2, driven, tiers)


def test_equal_sets_are_ok() -> None:
    summary = _compare(KEYS, list(reversed(KEYS)))
    assert summary == Summary(
        ok=True,
        nodes=2,
        samples_taken=3,
        samples_stored=3,
        missing=0,
        duplicates=0,
        latency_ms={"p50": 10.0, "p95": 20.0, "max": 30.0},
        screenshots=["brewery.png"],
        driven=DRIVEN,
    )


def test_a_missing_sample_is_found() -> None:
    summary = _compare(KEYS, KEYS[:-1])
    assert (summary.ok, summary.missing, summary.duplicates) == (False, 1, 0)


def test_a_sample_that_the_node_has_lost_meanwhile_is_still_missing() -> None:
    summary = _compare(KEYS[:-1], KEYS[:-1], expected=KEYS)
    assert (summary.ok, summary.missing) == (False, 1)


def test_an_invented_sample_is_not_ok() -> None:
    summary = _compare(KEYS, [*KEYS, ("c/t", 1000)])
    assert (summary.ok, summary.missing, summary.duplicates) == (False, 0, 0)


@pytest.mark.parametrize("where", ["node", "store"])
def test_a_sample_that_is_there_twice_is_found(where: str) -> None:
    twice = [*KEYS, KEYS[0]]
    summary = _compare(twice, KEYS) if where == "node" else _compare(KEYS, twice)
    assert (summary.ok, summary.missing, summary.duplicates) == (False, 0, 1)


def test_nothing_taken_or_nothing_photographed_proves_nothing() -> None:
    assert not _compare([], []).ok
    assert not _compare(KEYS, KEYS, shots=()).ok


@pytest.mark.parametrize(
    "failed",
    [
        {"pump_on": False},
        {"pump_off": False},
        {"heating": False},
        {"rose_k": 0.1},
        {"heat_off": False},
    ],
    ids=lambda failed: next(iter(failed)),
)
def test_a_brewery_that_does_not_obey_is_not_ok(failed: dict[str, Any]) -> None:
    assert _compare(KEYS, KEYS).ok
    assert not _compare(KEYS, KEYS, driven=replace(DRIVEN, **failed)).ok


@pytest.mark.parametrize("empty", ["hot", "warm", "cold"])
def test_a_tier_that_was_counted_and_is_empty_is_not_ok(empty: str) -> None:
    tiers = {"hot": 3, "warm": 3, "cold": 86_400}
    assert _compare(KEYS, KEYS, tiers=tiers).ok
    assert not _compare(KEYS, KEYS, tiers={**tiers, empty: 0}).ok


def test_tiers_are_told_where_they_were_counted(capsys: pytest.CaptureFixture[str]) -> None:
    tiers = {"hot": 3, "warm": 3, "cold": 86_400}
    print_summary(_compare(KEYS, KEYS, tiers=tiers), Path("folder"))
    *text, last = capsys.readouterr().out.splitlines()
    assert json.loads(last)["tiers"] == tiers
    assert "cold             86400 samples" in text


def test_the_last_line_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(_compare(KEYS, KEYS), Path("folder"))
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(last) == {
        *("ok", "nodes", "samples_taken", "samples_stored", "missing", "duplicates"),
        *("latency_ms", "screenshots", "driven"),
    }
    assert set(last["latency_ms"]) == {"p50", "p95", "max"}
