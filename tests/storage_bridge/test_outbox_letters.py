"""What could not be stored becomes documents: all of it, once, whatever happens on the way."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_bridge import outbox_ledger
from storage_bridge.backoff import Backoff
from storage_bridge.outbox import Outbox
from storage_bridge.outbox_batch import BadRecord, parse_message
from storage_bridge.outbox_letters import AT_ONCE, DeadLetters, letter_of
from storage_bridge.outbox_offline import read_expected, read_status
from storage_bridge.records.base import Records
from storage_bridge.records.model import MAX_ID, MAX_TEXT, DeadLetter, Record
from storage_bridge.tiers.base import TierUnavailableError
from storage_bridge.tiers.sqlite_store import SqliteStore
from storage_bridge.tiers.sqlite_warm import SqliteWarm

from .conftest import OpenOutbox
from .events import event, message
from .waiting import until

QUICK = Backoff(base=0.01, cap=0.05)


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return SqliteWarm(SqliteStore(tmp_path / "store.db")).records


async def _refuse(outbox: Outbox, *numbers: int, sink: str = "warm") -> None:
    """Records that are durably dead letters on return."""
    wanted = outbox.snapshot.counters.get("dead_letters", 0) + len(numbers)
    bad = [BadRecord("no store takes it", b"[%d]" % number) for number in numbers]
    outbox.advance(sink, 0, [("mash-a", one) for one in bad])
    await until(lambda: outbox.snapshot.counters.get("dead_letters") == wanted, "it is counted")


class _Writing:
    """`DeadLetters.run` as long as the block lasts."""

    def __init__(self, outbox: Outbox, records: Records) -> None:
        self.letters = DeadLetters(outbox, records, retry=QUICK, look_s=0.01)

    async def __aenter__(self) -> DeadLetters:
        self._task = asyncio.create_task(self.letters.run())
        return self.letters

    async def __aexit__(self, *exc: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


async def _documents(records: Records) -> list[str]:
    return sorted(letter.record for letter in await records.find(DeadLetter, limit=100_000))


async def test_letters_become_documents_and_leave_the_outbox(
    open_outbox: OpenOutbox, records: Records, tmp_path: Path
) -> None:
    outbox = open_outbox()
    numbers = range(AT_ONCE + 7)
    await _refuse(outbox, *numbers)
    assert outbox.status()["letters"] == len(numbers)
    async with _Writing(outbox, records) as letters:
        await until(lambda: outbox.snapshot.letters == 0, "they left")
        assert await _documents(records) == sorted(f"[{n}]" for n in numbers)
        await _refuse(outbox, 1000)
        await until(lambda: outbox.snapshot.letters == 0, "so did the next")
        assert letters.status() == {"waiting": 0, "written": len(numbers) + 1, "problem": None}
    [first, *_] = await records.find(DeadLetter)
    assert (first.stage, first.node_id, first.reason) == ("warm", "mash-a", "no store takes it")
    assert read_status(tmp_path / "outbox.db")["outbox"]["letters"] == 0
    await records.close()


async def test_verify_counts_letters_wherever_they_are(
    open_outbox: OpenOutbox, records: Records, tmp_path: Path
) -> None:
    outbox = open_outbox()

    def aside() -> object:
        return read_expected(tmp_path / "outbox.db").set_aside

    await _refuse(outbox, 1, 2)
    payload = event(1, 2)
    payload["samples"][0][2] = "t0"  # no number of a series
    received = message(payload)
    await outbox.append(parse_message(received), received, live=True)
    await _refuse(outbox, 4, sink="hot")
    assert aside() == {"mash-a": 3}
    async with _Writing(outbox, records):
        await until(lambda: outbox.snapshot.letters == 0, "they left")
    assert aside() == {"mash-a": 3}
    await _refuse(outbox, 5)
    assert aside() == {"mash-a": 4}
    await records.close()


async def test_a_store_that_is_away_is_waited_for_and_nothing_is_lost(
    open_outbox: OpenOutbox, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = open_outbox()
    tries = 0

    async def away(*_args: object) -> int:
        nonlocal tries
        tries += 1
        raise TierUnavailableError("The store is away.")

    with monkeypatch.context() as patch:
        patch.setattr(type(records), "put", away)
        async with _Writing(outbox, records) as letters:
            await _refuse(outbox, 1, 2)
            await until(lambda: tries > 3, "it tries on")
            assert letters.status() == {
                "waiting": 2, "written": 0, "problem": "The store is away.",
            }  # fmt: skip
    await outbox.close()
    again = open_outbox()
    assert again.snapshot.letters == 2
    async with _Writing(again, records) as letters:
        await until(lambda: again.snapshot.letters == 0, "they left")
        assert letters.problem is None
    assert await _documents(records) == ["[1]", "[2]"]
    await records.close()


async def test_what_was_written_before_a_crash_is_the_same_document_after_it(
    open_outbox: OpenOutbox, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store has them, the outbox never learnt of it."""
    outbox = open_outbox()
    await _refuse(outbox, 1, 2)
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "let_go_letters", lambda _row_id: None)
        async with _Writing(outbox, records) as letters:
            await until(lambda: letters.written == 2, "written")
    before = await records.find(DeadLetter)
    assert outbox.snapshot.letters == 2
    async with _Writing(outbox, records):
        await until(lambda: outbox.snapshot.letters == 0, "they left")
    assert await records.find(DeadLetter) == before
    assert len(before) == 2
    await records.close()


async def test_too_many_are_counted_and_said_to_be_dropped(
    open_outbox: OpenOutbox,
    records: Records,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(outbox_ledger, "KEEP_LETTERS", 3)
    outbox = open_outbox()
    await _refuse(outbox, 1, 2, 3, 4, 5)
    assert outbox.snapshot.letters == 3
    assert outbox.snapshot.counters["dead_letters_dropped"] == 2
    assert "3 dead letters wait for the warm tier" in caplog.text
    assert read_expected(tmp_path / "outbox.db").set_aside == {"mash-a": 5}
    async with _Writing(outbox, records):
        await until(lambda: outbox.snapshot.letters == 0, "they left")
        await _refuse(outbox, 6)
        await until(lambda: outbox.snapshot.letters == 0, "there is room again")
    assert await _documents(records) == ["[1]", "[2]", "[3]", "[6]"]
    await records.close()


async def test_what_an_older_version_kept_is_written_as_well(
    open_outbox: OpenOutbox, records: Records, tmp_path: Path
) -> None:
    """It kept letters for good, and none of them had been written anywhere."""
    await open_outbox().close()
    with sqlite3.connect(tmp_path / "outbox.db") as db:
        db.execute("INSERT INTO dead_letter VALUES (41, 5, 'source', 'n', 'no sample', x'5B5D')")
        db.execute("INSERT INTO counter VALUES ('dead_letters', 41)")
    outbox = open_outbox()
    assert outbox.snapshot.letters == 1
    async with _Writing(outbox, records):
        await until(lambda: outbox.snapshot.letters == 0, "it left")
    assert await records.find(DeadLetter) == [DeadLetter("source", "n", 5, "no sample", "[]")]
    await records.close()


async def test_two_writers_of_one_store_end_with_one_document(
    open_outbox: OpenOutbox, records: Records
) -> None:
    """As the two bridges of a pair, to which a node sent the same."""
    one, other = open_outbox("one.db"), open_outbox("other.db")
    await _refuse(one, 1, 2)
    await _refuse(other, 2, 3)
    async with _Writing(one, records), _Writing(other, records):
        await until(lambda: not (one.snapshot.letters or other.snapshot.letters), "they left")
    assert await _documents(records) == ["[1]", "[2]", "[3]"]
    await records.close()


ANY_TEXT = st.text(st.characters(), max_size=MAX_ID + 9)


@given(st.integers(0, 2**47), ANY_TEXT, ANY_TEXT, st.binary(max_size=300))
def test_any_row_makes_a_document_that_every_store_takes(
    t: int, node_id: str, reason: str, record: bytes
) -> None:
    letter = letter_of(t, "source", node_id, reason, record)
    again: Record = DeadLetter.of(letter.body())
    assert again == letter
    assert len(letter.record) <= MAX_TEXT
    letter.record.encode()


@pytest.mark.parametrize("size", [MAX_TEXT, MAX_TEXT + 1, 500_000])
def test_long_records_are_cut_and_stay_apart(size: int) -> None:
    texts: Sequence[bytes] = [b"x" * (size - 1) + end for end in (b"1", b"2")]
    first, second = (letter_of(0, "warm", "n", "", text) for text in texts)
    assert first.key != second.key
    assert len(first.record) == MAX_TEXT
    assert (f"({size} characters" in first.record) is (size > MAX_TEXT)
