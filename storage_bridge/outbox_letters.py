"""What could not be stored, out of the outbox into the records of the warm tier."""

import asyncio
import hashlib
import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .backoff import Backoff
from .outbox_schema import in_words
from .records.model import MAX_ID, MAX_TEXT, DeadLetter
from .tiers.base import TierError

if TYPE_CHECKING:
    import sqlite3

    from .outbox import Outbox
    from .records.base import Records

LOGGER = logging.getLogger(__name__)

RETRY: Final = Backoff(base=0.5, cap=60.0)
WRITE_S: Final = 60.0  # a store that takes longer is treated as unavailable
LOOK_S: Final = 1.0  # how often it is looked for new ones, in memory
AT_ONCE: Final = 100  # of at most MAX_TEXT characters each
_UNKNOWN: Final = "?"  # in the place of a node that the record does not name


class KeptLetter(NamedTuple):
    """A dead letter, and its row in the outbox."""

    row_id: int
    letter: DeadLetter


def read_letters(db: sqlite3.Connection, after: int, limit: int) -> list[KeptLetter]:
    """The first `limit` behind the row `after`; `db` is any connection to an outbox.

    Raises OutboxError.
    """
    path = db.execute("PRAGMA database_list").fetchone()[2]
    with in_words(path):
        found = db.execute(
            "SELECT id, at, stage, node_id, reason, record FROM dead_letter WHERE id > ? "
            "ORDER BY id LIMIT ?",
            (after, limit),
        ).fetchall()
    return [KeptLetter(row_id, letter_of(*rest)) for row_id, *rest in found]


def letter_of(t: int, stage: str, node_id: str, reason: str, record: bytes) -> DeadLetter:
    """The document of a row; always one that every store takes, whatever the record holds."""
    return DeadLetter(
        stage=stage,
        node_id=_storable(node_id, MAX_ID) or _UNKNOWN,
        t=t,
        reason=_storable(reason, MAX_TEXT),
        record=_storable(record.decode("utf-8", "backslashreplace"), MAX_TEXT),
    )


class DeadLetters:
    """`run` makes documents of the outbox's dead letters, oldest first, for ever.

    They leave the outbox once the store has them. Written again after a crash they are the same
    documents, as a document is named by its content.
    """

    def __init__(
        self, outbox: Outbox, records: Records, *, retry: Backoff = RETRY, look_s: float = LOOK_S
    ) -> None:
        self._outbox = outbox
        self._records = records
        self._retry = retry
        self._look_s = look_s
        self.problem: str | None = None
        self.written = 0

    def status(self) -> dict[str, Any]:
        """`waiting`: those that are no documents yet; `written`: since the start; `problem`."""
        return {
            "waiting": self._outbox.snapshot.letters,
            "written": self.written,
            "problem": self.problem,
        }

    async def run(self) -> None:
        """Write until cancelled; a store that is away is waited for."""
        after = attempt = 0
        while True:
            kept: list[KeptLetter] = []
            if self._outbox.snapshot.letters:
                kept = await self._outbox.letters(after, AT_ONCE)
            if not kept:
                await asyncio.sleep(self._look_s)
                continue
            try:
                async with asyncio.timeout(WRITE_S):
                    await self._records.open()
                    await self._records.put([one.letter for one in kept])
            except (TierError, TimeoutError) as err:
                text = str(err) or f"no answer in {WRITE_S:g} s"
                if self.problem is None:
                    LOGGER.warning("Dead letters cannot be written now, trying on: %s", text)
                self.problem = text
                await asyncio.sleep(self._retry.wait(attempt))
                attempt += 1
                continue
            attempt, self.problem = 0, None
            self.written += len(kept)
            after = kept[-1].row_id
            self._outbox.let_go_letters(after)


def _storable(text: str, most: int) -> str:
    """Without what no store keeps; one that is cut says so, and stays different from others."""
    text = text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
    if len(text) <= most:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    end = f"... ({len(text)} characters, sha256 {digest})"
    return text[: most - len(end)] + end
