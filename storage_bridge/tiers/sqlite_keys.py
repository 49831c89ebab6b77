"""What an embedded store holds, read without a running bridge: for proofs."""

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from storage_bridge.codec import Chunk, ChunkHead, verified

from .base import TierUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNKS = """
SELECT s.name, c.hour, c.gen, c.codec, c.rows, c.n, c.t0, c.t1, c.low, c.high, c.total,
  c.crc, d.data
FROM chunk c JOIN series s ON s.id = c.sid JOIN chunk_data d ON d.id = c.blob
"""


def iter_keys(path: Path) -> Iterator[tuple[str, int]]:
    """Every stored `(series, t)` (ms) of a store file, at one moment, also beside a running bridge.

    First the rows, then the archived hours, each proven by its checksum; an hour that is just being
    moved comes twice. Reads only. Raises TierUnavailableError (no such store), CodecError.
    """
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        ) as connection:
            connection.execute("BEGIN")
            yield from connection.execute(
                "SELECT s.name, r.t FROM sample r JOIN series s ON s.id = r.sid"
            )
            for row in connection.execute(_CHUNKS):
                chunk = Chunk(ChunkHead(*row[:-1]), row[-1])
                yield from ((sample.series, sample.t) for sample in verified(chunk))
    except sqlite3.Error as error:
        raise TierUnavailableError(f"The store {path} cannot be read: {error}.") from error
