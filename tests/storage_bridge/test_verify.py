"""What is missing is said exactly."""

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from storage_bridge.coverage import contiguous_end, runs, size
from storage_bridge.model import Sample
from storage_bridge.outbox_taken import figures
from storage_bridge.verify import Expected, Held, Report, check_coverage, check_tiers


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


def _rows(series: str, *seconds: int) -> list[Sample]:
    return [Sample(series, second * 1000, 1.0, "ok", None) for second in seconds]


def _checked(
    taken: list[Sample],
    stored: list[Sample],
    *,
    waiting: list[Sample] | None = None,
    covered: dict[str, int] | None = None,
    aside: dict[str, int] | None = None,
    after: list[Sample] | None = None,
    refused: list[Sample] | None = None,
) -> Report:
    times: dict[str, set[int]] = {}
    for row in waiting or ():
        times.setdefault(row.series, set()).add(row.t)
    if covered is None:
        covered = Counter(row.series[0] for row in taken)
    held = Held(times)
    for row in stored:
        held.add(row)
    for row in refused or ():
        held.refuse(row.series, row.t)
    expected = Expected(covered=covered, taken=figures(taken), waiting=times, set_aside=aside or {})
    return check_tiers(expected, figures(taken + (after or [])), held)


def test_what_was_taken_in_is_in_the_tiers_or_waits_or_was_set_aside() -> None:
    taken = _rows("a/t", *range(100)) + _rows("b/t", *range(50))
    report = _checked(taken, [*taken[:90], *taken[100:]], waiting=taken[85:100])
    assert report.ok
    assert report.notes == [
        "Node a: 100 samples taken in, 90 in the tiers, 10 waiting in the outbox",
        "Node b: 50 samples taken in, 50 in the tiers",
    ]
    assert _checked(taken, taken[:-1], aside={"b": 1}).ok
    short = _checked(taken, taken[:-4], aside={"b": 1})
    [line] = short.missing
    assert line == (
        "Node b: 50 samples taken in, 46 in the tiers, 1 set aside: 3 are missing from the tiers "
        "(4 of b/t from 1970-01-01 to 1970-01-31)"
    )
    letters = _checked(taken, taken[:-1], aside={"b": 2}, covered={"a": 100, "b": 52})
    assert not letters.ok, "what was no sample explains no sample that is gone"
    assert _checked(taken, taken[:-1], refused=taken[-1:]).ok


def test_a_surplus_hides_no_loss() -> None:
    taken = _rows("a/t", *range(100)) + _rows("a/u", *range(100))
    elsewhere = _checked(taken, [*taken[40:], *_rows("a/u", *range(200, 240))])
    assert "40 are missing" in elsewhere.missing[0]
    assert "40 of a/t" in elsewhere.missing[0]
    assert "a/u" in elsewhere.unproven[0]
    same = _checked(taken, [*taken[40:], *_rows("a/t", *range(200, 240))])
    [line] = same.missing
    assert line == (
        "a/t from 1970-01-01 to 1970-01-31: as many samples in the tiers as were taken in, 100, "
        "but not the same"
    )
    more = _checked(taken, [*taken[1:], *_rows("a/t", 200, 201)])
    assert (more.ok, more.missing) == (False, [])
    assert "1 samples more in the tiers than were taken in" in more.unproven[0]


def test_what_another_one_stored_in_other_times_is_only_told() -> None:
    taken = _rows("a/t", *range(100))
    old = _rows("a/t", *range(4_000_000, 4_000_010)) + _rows("c/t", 1)
    report = _checked(taken, taken + old)
    assert report.ok
    assert sum("was taken in by this outbox" in note for note in report.notes) == 2


def test_samples_that_come_meanwhile_are_no_surplus() -> None:
    taken, later = _rows("a/t", *range(100)), _rows("a/t", 100, 101)
    assert _checked(taken, taken + later, after=later).ok
    assert _checked(taken, taken + later[:1], after=later).ok
    assert not _checked(taken, taken + later).ok


def test_an_outbox_without_figures_proves_nothing_but_a_loss() -> None:
    taken = _rows("a/t", *range(100))
    old = _checked(taken[50:], taken, covered={"a": 100})
    assert (old.missing, len(old.unproven)) == ([], 1)
    assert "1 are missing" in _checked(taken[50:], taken[1:], covered={"a": 100}).missing[0]


@given(
    st.lists(st.integers(0, 60), unique=True, min_size=1),
    st.lists(st.integers(0, 60), unique=True),
)
def test_it_is_well_only_if_the_tiers_hold_all(taken: list[int], stored: list[int]) -> None:
    report = _checked(_rows("a/t", *taken), _rows("a/t", *stored))
    if report.ok:
        assert set(taken) <= set(stored)
    if set(taken) == set(stored):
        assert report.ok
