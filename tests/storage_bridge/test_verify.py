"""What is missing is said exactly."""

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from storage_bridge.coverage import contiguous_end, runs, size
from storage_bridge.verify import Expected, check_coverage, check_tiers


def _known(spool: str, coverage: list[Any], gaps: Any = (), holes: Any = ()) -> dict[str, Any]:
    return {"spool_id": spool, "coverage": coverage, "gaps": list(gaps), "holes": list(holes)}


def _spool(first: int, last: int, **fields: Any) -> dict[str, Any]:
    base = {"spool_id": "s1", "first_seq": first, "last_seq": last, "holes": [], "connected": True}
    return base | fields


def test_numbers_that_were_never_taken_in_are_named() -> None:
    report = check_coverage({"n": [_known("s1", [(1, 10), (15, 20)])]}, {"n": _spool(1, 25)})
    assert not report.ok
    assert "9 samples" in report.missing[0]
    assert "seq 11-14, 21-25" in report.missing[0]


def test_holes_and_known_gaps_are_not_missing_but_gaps_are_told() -> None:
    report = check_coverage(
        {"n": [_known("s1", [(11, 20)], gaps=[(1, 10)])]},
        {"n": _spool(11, 30, holes=[[21, 30]])},
    )
    assert report.ok
    assert any("10 samples of spool s1 were dropped" in note for note in report.notes)


def test_a_spool_nothing_was_read_of_is_missing_whole() -> None:
    ledger = {"n": [_known("s0", [(1, 99)])]}
    assert "seq 1-7" in check_coverage(ledger, {"n": _spool(1, 7)}).missing[0]
    assert "seq 1-7" in check_coverage({}, {"n": _spool(1, 7)}).missing[0]
    assert check_coverage({}, {"n": _spool(1, 0)}).ok


def test_a_node_never_heard_of_is_a_note() -> None:
    unknown = {"spool_id": None, "first_seq": None, "last_seq": None, "connected": False}
    report = check_coverage({}, {"n": unknown})
    assert report.ok
    assert "not heard" in report.notes[0]


@given(st.sets(st.integers(1, 40)), st.integers(1, 40), st.integers(0, 40))
def test_missing_is_exactly_what_lies_in_the_spool_and_not_in_the_coverage(
    have: set[int], first: int, last: int
) -> None:
    spans = runs(sorted(have))
    report = check_coverage({"n": [_known("s1", spans)]}, {"n": _spool(first, last)})
    lacking = set(range(first, last + 1)) - have
    assert report.ok == (not lacking)
    if lacking:
        assert f" {len(lacking)} samples" in report.missing[0]
    assert size(spans) == len(have)
    assert contiguous_end(spans) < min(set(range(1, 42)) - have)


def test_the_tiers_are_held_against_what_was_taken_in() -> None:
    expected = Expected(covered={"a": 100, "b": 50}, waiting={"a": 10}, set_aside={"b": 1})
    full = check_tiers(expected, {"a": 100, "b": 50}, Counter(a=90, b=49))
    assert full.ok
    assert "10 waiting" in full.notes[0]
    short = check_tiers(expected, {"a": 100, "b": 50}, Counter(a=90, b=46))
    assert short.missing == [
        "Node b: 50 samples taken in, 46 in the tiers, 1 set aside: 3 are missing from the tiers"
    ]
    extra = check_tiers(expected, {"a": 100, "b": 50}, Counter(a=103, b=50))
    assert extra.ok
    assert any("3 samples in the tiers were not taken in" in note for note in extra.notes)
