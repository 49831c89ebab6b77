"""The file of a backup: frames with checksums, written and read in one go. Knows no store.

    a line `smart-beer backup 1`, then frames:
    kind (1 byte), length of the body (u32), CRC-32 of kind and body (u32), body

    h   JSON {created (ms), bridge (version)}; comes first
    o   a piece of the outbox's file (SQLite, as `VACUUM INTO` writes it), in order
    b   the file `batches.json`
    c   an hour of a series as the codec makes it: length of its head (u32), the head (JSON, `gen`
        in hexadecimal), the blob; by series and rising hour
    r   JSON [[kind of record, its body], ...]
    l   JSON {series: [t, value, quality, batch, spool_id, seq]}: the newest samples
    e   JSON {sha256 of all bytes before this frame, hours, samples, records, damaged: sentences
        about archived hours that were damaged already, and are not here}; comes last

Bodies of `o`, `b`, `r` and `l` are compressed with zstd; numbers are little-endian.
"""

import hashlib
import json
import struct
import zlib
from compression import zstd
from enum import StrEnum
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

from .codec import Chunk, ChunkHead

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAGIC: Final = b"smart-beer backup 1\n"
_FRAME: Final = struct.Struct("<cII")
_LENGTH: Final = struct.Struct("<I")
_MAX_BODY: Final = 256 << 20  # more than any frame that is written here


class BackupError(Exception):
    """The backup cannot be made or used; the text says why and what to do."""


class Kind(StrEnum):
    """What a frame holds; see the head of this file."""

    HEADER = "h"
    OUTBOX = "o"
    BATCHES = "b"
    CHUNK = "c"
    RECORDS = "r"
    NEWEST = "l"
    END = "e"


_PACKED: Final = {Kind.OUTBOX, Kind.BATCHES, Kind.RECORDS, Kind.NEWEST}


class Frame(NamedTuple):
    """A frame, its body unpacked; `end` is the place in the file after it."""

    kind: Kind
    body: bytes
    end: int


class Contents(NamedTuple):
    """What a whole backup is said to hold by its last frame."""

    sha256: str
    hours: int
    samples: int
    records: int
    damaged: list[str]


class Writer:
    """Writes frames; a file without the frame of `finish` is no backup."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._put(MAGIC)

    def add(self, kind: Kind, body: bytes) -> None:
        """Append a frame."""
        packed = zstd.compress(body) if kind in _PACKED else body
        crc = zlib.crc32(packed, zlib.crc32(kind.encode()))
        self._put(_FRAME.pack(kind.encode(), len(packed), crc) + packed)

    def add_json(self, kind: Kind, body: object) -> None:
        """Append a frame of JSON."""
        self.add(kind, json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())

    def add_chunk(self, chunk: Chunk) -> None:
        """Append an hour."""
        head = json.dumps({**chunk.head._asdict(), "gen": chunk.head.gen.hex()}).encode()
        self.add(Kind.CHUNK, _LENGTH.pack(len(head)) + head + chunk.data)

    def finish(self, *, hours: int, samples: int, records: int, damaged: list[str]) -> None:
        """Append the last frame."""
        contents = Contents(self._digest.hexdigest(), hours, samples, records, damaged)
        self.add_json(Kind.END, contents._asdict())

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)


def read_frames(path: Path) -> Iterator[Frame]:
    """The frames of a backup, each proven by its checksum; raises BackupError, OSError."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise BackupError(f"{path} is no backup of a bridge that this version can read")
        while head := file.read(_FRAME.size):
            if len(head) != _FRAME.size:
                raise _damaged(path, "it ends in the middle")
            mark, length, crc = _FRAME.unpack(head)
            packed = file.read(length) if length <= _MAX_BODY else b""
            if len(packed) != length or zlib.crc32(packed, zlib.crc32(mark)) != crc:
                raise _damaged(path, f"the checksum at byte {file.tell()} differs")
            try:
                kind = Kind(mark.decode())
                body = zstd.decompress(packed) if kind in _PACKED else packed
            except (ValueError, zstd.ZstdError) as err:
                raise _damaged(path, str(err)) from err
            yield Frame(kind, body, file.tell())


def check(path: Path) -> Contents:
    """Prove that a backup is whole, before anything of it is used; raises BackupError, OSError."""
    start = len(MAGIC)
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(start))
        for number, frame in enumerate(read_frames(path)):
            if (frame.kind is Kind.HEADER) is not (number == 0):
                raise _damaged(path, "its frames are not in order")
            if frame.kind is Kind.END:
                contents = Contents(**json.loads(frame.body))
                if contents.sha256 != digest.hexdigest():
                    raise _damaged(path, "its parts are not those it was made of")
                if frame.end != path.stat().st_size:
                    raise _damaged(path, "something follows its end")
                return contents
            digest.update(file.read(frame.end - start))
            start = frame.end
    raise _damaged(path, "its end is missing")


def chunk_of(frame: Frame) -> Chunk:
    """The hour in a frame of the kind CHUNK; its content is not proven here."""
    (length,) = _LENGTH.unpack_from(frame.body)
    start = _LENGTH.size + length
    head: dict[str, Any] = json.loads(frame.body[_LENGTH.size : start])
    return Chunk(
        ChunkHead(**{**head, "gen": bytes.fromhex(head["gen"])}), bytes(frame.body[start:])
    )


def _damaged(path: Path, why: str) -> BackupError:
    return BackupError(f"The backup {path} is damaged: {why}; use another copy of it")
