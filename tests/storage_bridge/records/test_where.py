"""What is asked for, and whether a record is it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage_bridge.model import T_MAX
from storage_bridge.records import sqlite_rows
from storage_bridge.records.model import Note
from storage_bridge.records.where import Where, exactly, fits, span

TIMES = st.integers(0, 9)
NAMES = st.sampled_from("ab")
IDS = st.text("xyz", min_size=1)
NOTES = st.lists(
    st.builds(Note, IDS, TIMES, NAMES, NAMES, NAMES, TIMES, st.none() | NAMES),
    unique_by=lambda note: note.key,
)
MAYBE: dict[str, st.SearchStrategy[Any]] = {
    "start": st.none() | TIMES,
    "end": st.none() | TIMES,
    "subject": st.none() | NAMES,
    "batch": st.none() | NAMES,
}
QUESTIONS = st.fixed_dictionaries({}, optional=MAYBE)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as opened:
        opened.executescript(sqlite_rows.SCHEMA)
        yield opened


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NOTES, QUESTIONS, st.integers(1, 5))
def test_a_store_finds_those_that_fit(
    connection: sqlite3.Connection, notes: list[Note], where: Where, limit: int
) -> None:
    connection.execute("DELETE FROM record")
    sqlite_rows.put(connection, notes)
    start, end = where.get("start"), where.get("end")
    subject, batch = where.get("subject"), where.get("batch")
    want = sorted((n for n in notes if fits(n, where)), key=lambda note: (note.at, note.key))
    found = sqlite_rows.find(connection, Note, start, end, subject, batch, limit)
    assert found == want[:limit]


def test_nothing_asked_is_everything_and_none_the_same_as_absent() -> None:
    assert span({}) == span({"start": None, "end": None}) == (0, T_MAX)
    assert span({"start": 5, "end": 0}) == (5, 0), "an empty range stays one"
    assert exactly({"subject": None, "start": 3}) == {}
    assert exactly({"batch": "b", "subject": "k"}) == {"subject": "k", "batch": "b"}
    note = Note("n", 7, "k", "Ann", "x", 1)
    assert fits(note, {})
    assert fits(note, {"start": 7, "end": 8, "subject": "k"})
    for where in (Where(start=8), Where(end=7), Where(subject="n"), Where(batch="b")):
        assert not fits(note, where)
