"""Keyspace, tables and statements of the cold tier, as text. Pure.

Table `chunk` has a partition for each series and month and a row for each archived hour; data
that came late makes another row of that hour. Table `head` repeats all but the blob, a partition
for each series: a chart of a year reads one megabyte of it instead of all blobs, and it says
which months there are. A row of one is worth nothing without that of the other (see the tier).

Rows are written with the time of writing, not with a time made from the hour: the later writing
wins as a whole, so that a damaged row can be replaced, a row deleted by hand can be archived
again, and the cells of two encodings of one content (zstd versions differ) never mix, as those of
equal timestamps would. It also keeps the windows of TWCS apart, into which old hours come late.

Table `record` has a partition for each record, named by its kind and key, and a row for each
content that was archived of it; `gen` is made of the content, and reading merges them. Table
`record_place` says where records are found: in the place `m/<month>` of their time and in that of
their batch, `b/<batch>`; the place without a name lists the months there are. Where a merge moves
the time of a record, its old row stays, and leads to a record that is not shown there. Nothing is
deleted, so that no tombstone is ever read over.
"""

import re
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .cassandra_settings import CassandraSettings

DAY_S: Final = 86_400
MAX_COPIES: Final = 3
_IDS: Final = uuid.UUID("6f0c1d5e-8a51-41f0-9f6b-3d5be5a1c0de")
_WINDOWS: Final = 30  # of TWCS; more than some 50 cost more than they save

_HEAD: Final = (
    ("codec", "tinyint"), ("rows", "int"), ("n", "int"), ("t0", "bigint"), ("t1", "bigint"),
    ("low", "double"), ("high", "double"), ("total", "double"), ("crc", "bigint"),
)  # fmt: skip
_NAMES: Final = ", ".join(name for name, _ in _HEAD)
_COLUMNS: Final = ", ".join(f"{name} {kind}" for name, kind in _HEAD)

_PARTITION: Final = "series = ? AND month = ? AND hour >= ? AND hour < ?"


class Statement(NamedTuple):
    """A statement to prepare; `page` is how many rows travel at once."""

    text: str
    page: int = 5000


# A blob has some 4 kB, in the worst case megabytes.
STATEMENTS: Final[dict[str, Statement]] = {
    "write chunk": Statement(
        f"INSERT INTO {{ks}}.chunk (series, month, hour, gen, {_NAMES}, data) "  # noqa: S608 - fixed text
        f"VALUES (?, ?, ?, ?, {', '.join('?' * len(_HEAD))}, ?) USING TTL ?"
    ),
    "write head": Statement(
        f"INSERT INTO {{ks}}.head (series, hour, gen, {_NAMES}) "  # noqa: S608 - fixed text
        f"VALUES (?, ?, ?, {', '.join('?' * len(_HEAD))}) USING TTL ?"
    ),
    "heads": Statement(
        f"SELECT gen, {_NAMES} FROM {{ks}}.head WHERE series = ? AND hour >= ? AND hour < ?",  # noqa: S608 - fixed text
        10_000,  # a year in one page, of a megabyte: the next one is asked for only after this one
    ),
    "chunks": Statement(f"SELECT gen, {_NAMES}, data FROM {{ks}}.chunk WHERE {_PARTITION}", 100),  # noqa: S608 - fixed text
    "chunk times": Statement(f"SELECT gen, writetime(crc) FROM {{ks}}.chunk WHERE {_PARTITION}"),  # noqa: S608 - fixed text
    "head times": Statement(
        "SELECT gen, writetime(crc) FROM {ks}.head WHERE series = ? AND hour >= ? AND hour < ?"
    ),
    "series": Statement("SELECT DISTINCT series FROM {ks}.head"),
    "first": Statement("SELECT t0 FROM {ks}.head WHERE series = ? LIMIT 1"),
    "last": Statement("SELECT t0 FROM {ks}.head WHERE series = ? ORDER BY hour DESC LIMIT 1"),
    "count": Statement("SELECT sum(CAST(rows AS bigint)) FROM {ks}.head WHERE series = ?"),
    "write record": Statement(
        "INSERT INTO {ks}.record (kind, key, gen, body) VALUES (?, ?, ?, ?) USING TTL ?"
    ),
    "write place": Statement(
        "INSERT INTO {ks}.record_place (kind, place, at, key, gen) VALUES (?, ?, ?, ?, ?) "
        "USING TTL ?"
    ),
    "record": Statement(
        "SELECT gen, body, writetime(body) FROM {ks}.record WHERE kind = ? AND key = ?", 100
    ),
    "place": Statement(
        "SELECT writetime(gen) FROM {ks}.record_place "
        "WHERE kind = ? AND place = ? AND at = ? AND key = ?"
    ),
    "places": Statement(
        "SELECT at, key FROM {ks}.record_place WHERE kind = ? AND place = ? "
        "AND (at, key) > (?, ?) AND (at, key) < (?, '') LIMIT ?"
    ),
}

# Each step may be taken twice, and by two bridges at once; a new one is added at the end. Tables
# get ids made of their names: two that are made at the same moment by two nodes are then the same.
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        f"""CREATE TABLE IF NOT EXISTS {{ks}}.chunk (
            series text, month int, hour timestamp, gen blob, {_COLUMNS}, data blob,
            PRIMARY KEY ((series, month), hour, gen)
        ) WITH id = {{id:chunk}} AND compaction = {{compaction}} AND compression = {{
            'class': 'LZ4Compressor', 'chunk_length_in_kb': 16, 'min_compress_ratio': 1.1
        }}""",  # blobs are compressed already: this adds a checksum on the disk
        f"""CREATE TABLE IF NOT EXISTS {{ks}}.head (
            series text, hour timestamp, gen blob, {_COLUMNS},
            PRIMARY KEY (series, hour, gen)
        ) WITH id = {{id:head}} AND compaction = {{compaction}} AND compression = {{
            'class': 'LZ4Compressor', 'chunk_length_in_kb': 16
        }}""",
    ),
    (
        """CREATE TABLE IF NOT EXISTS {ks}.record (
            kind text, key text, gen blob, body text,
            PRIMARY KEY ((kind, key), gen)
        ) WITH id = {id:record} AND compaction = {compaction} AND compression = {
            'class': 'LZ4Compressor', 'chunk_length_in_kb': 16
        }""",
        """CREATE TABLE IF NOT EXISTS {ks}.record_place (
            kind text, place text, at bigint, key text, gen blob,
            PRIMARY KEY ((kind, place), at, key)
        ) WITH id = {id:record_place} AND compaction = {compaction} AND compression = {
            'class': 'LZ4Compressor', 'chunk_length_in_kb': 16
        }""",
    ),
)
TAKEN: Final = "SELECT version FROM {ks}.migration"
TAKE: Final = "INSERT INTO {ks}.migration (version, at) VALUES (%s, toTimestamp(now()))"
JOURNAL: Final = (
    "CREATE TABLE IF NOT EXISTS {ks}.migration (version int PRIMARY KEY, at timestamp) "
    "WITH id = {id:migration}"
)


def keyspace(name: str, replication: Mapping[str, int]) -> str:
    """The statement that makes a keyspace where there is none."""
    return (
        f"CREATE KEYSPACE IF NOT EXISTS {quoted(name)} "
        f"WITH replication = {_map(replicated(replication))}"
    )


def replicated(copies: Mapping[str, int]) -> dict[str, str]:
    """What CQL calls replication; `SimpleStrategy` in the place of data centres is a class."""
    if "SimpleStrategy" in copies:
        return {"class": "SimpleStrategy", "replication_factor": str(copies["SimpleStrategy"])}
    return {"class": "NetworkTopologyStrategy"} | {name: str(n) for name, n in copies.items()}


def compaction(settings: CassandraSettings, release: str) -> str:
    """What CQL calls compaction; UCS came with Cassandra 5, before it STCS stands in."""
    if settings.compaction == "twcs":
        days = -(-(settings.ttl_days or _WINDOWS) // _WINDOWS)
        return _map(
            {
                "class": "TimeWindowCompactionStrategy",
                "compaction_window_unit": "DAYS",
                "compaction_window_size": str(days),
            }
        )
    major = release.partition(".")[0]
    unified = settings.compaction == "ucs" and major.isdecimal() and int(major) >= 5
    name = "UnifiedCompactionStrategy" if unified else "SizeTieredCompactionStrategy"
    return _map({"class": name})


def oldest(releases: Iterable[str]) -> str:
    """The earliest of some versions such as 5.0.8 or 4.1-beta1, by their numbers; "5" of none."""
    return min(releases, key=lambda one: [int(n) for n in re.findall(r"\d+", one)], default="5")


def filled(statement: str, keyspace: str, compaction: str = "") -> str:
    """A statement as it is run in a keyspace."""

    def table_id(found: re.Match[str]) -> str:
        return str(uuid.uuid5(_IDS, f"{keyspace}.{found[1]}"))

    text = re.sub(r"\{id:(\w+)\}", table_id, statement)
    return text.replace("{compaction}", compaction).replace("{ks}", quoted(keyspace))


def quoted(name: str) -> str:
    """A name as CQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def month_of(t: int) -> int:
    """The month (UTC) of a time (ms), as a number that people can read, such as 202611."""
    day = datetime.fromtimestamp(t / 1000, UTC)
    return day.year * 100 + day.month


def _map(pairs: Mapping[str, str]) -> str:
    def text(value: str) -> str:
        return "'" + value.replace("'", "''") + "'"

    return "{" + ", ".join(f"{text(name)}: {text(value)}" for name, value in pairs.items()) + "}"
