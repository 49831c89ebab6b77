"""One MongoDB database on either driver; all that is untyped or differs between them is here.

Motor and PyMongo's own asynchronous client agree in everything used here, except for what has to be
awaited: motor gives some things at once that PyMongo wants awaited, and the other way round.
"""

import asyncio
import importlib
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pymongo
from bson.errors import BSONError
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
)
from pymongo.write_concern import WriteConcern

from .base import TierRejectedError, TierUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence

    from .mongo_settings import MongoSettings

type Document = dict[str, Any]
type Handle = Any  # a client, database or collection of either driver

# With less a killed server loses what it acknowledged; on one server this is its journal.
_DURABLE: Final = WriteConcern("majority", j=True)
_SELECT_S: Final = 5.0  # for a server to be found when this opens
_READ_SELECT_S: Final = 3.0  # and before a read, which somebody waits for; a write may take longer
_LOOK_S: Final = 0.05
_HEARTBEAT_MS: Final = 2_000  # how often a driver looks for a server that is away
_POOL: Final = 16
_DUPLICATE: Final = 11000
_TOO_LARGE: Final = frozenset({10334, 17419, 17420})  # a document beyond 16 MiB
# What our pipelines meet in a document that is none of ours: no object where one should be.
_DAMAGED: Final = frozenset({16883, 17124, 28651, 40386, 40390, 40400})
# What a server says of itself and not of what it was given; it takes the same again later.
_TRANSIENT: Final = frozenset(
    {
        # network, not primary, shutting down, stepping over
        6, 7, 89, 91, 189, 9001, 10058, 10107, 11600, 11601, 11602, 13435, 13436, 63, 133, 150,
        # took too long, was in the way of another, was interrupted
        24, 43, 46, 50, 79, 112, 202, 237, 244, 251, 262, 279, 290, 314, 365, 378, 388, 391, 407,
        # no majority, no room, no memory, no right, no idea
        1, 8, 13, 17, 18, 33, 64, 71, 74, 75, 93, 94, 96, 100, 123, 134, 146, 292, 385, 417, 14031,
        15974, 32, 38, 39, 61, 90, 148, 234, 235, 236, 8000,
    }
)  # fmt: skip
_RACES: Final = 5
_TEXT: Final = 300


class Changed(NamedTuple):
    """What a bulk did: documents made, documents that differ now, documents removed."""

    made: int
    changed: int
    removed: int


class Mongo:
    """A client of one database, shared by its users; open while at least one is."""

    def __init__(self, settings: MongoSettings) -> None:
        self.settings = settings
        self._users: set[str] = set()
        self._lock = asyncio.Lock()
        self._client: Handle = None
        self._database: Handle = None
        self._missed = False

    async def open(self, user: str) -> None:
        """Connect for that user and be answered; raises TierUnavailableError."""
        async with self._lock:
            if not self._users:
                try:
                    with self.told():
                        self._client = await self._connect()
                        self._database = self._client.get_database(
                            self.settings.database, write_concern=_DURABLE
                        )
                        # A driver would wait for a server as long as any call may take.
                        with pymongo.timeout(min(self.settings.timeout_s, _SELECT_S)):
                            await settled(self._database.command("ping"))
                except BaseException:
                    await self._shut()
                    raise
            self._users.add(user)

    async def close(self, user: str) -> None:
        """The last user disconnects."""
        async with self._lock:
            self._users.discard(user)
            if not self._users:
                await self._shut()

    def collection(self, name: str) -> Collection:
        """A collection; raises TierUnavailableError when this is not open."""
        if self._database is None:
            raise TierUnavailableError(f"{self.settings.place} is not open.")
        return Collection(self, self._database[name])

    async def found(self) -> None:
        """Return once a server can be read from; raises TierUnavailableError within seconds.

        While none is found, only the first one to ask waits: a driver looks for one all the time.
        """
        until = time.monotonic() + (0.0 if self._missed else _READ_SELECT_S)
        while (client := self._client) is not None:
            if client.topology_description.has_readable_server():
                self._missed = False
                return
            if time.monotonic() >= until:
                self._missed = True
                servers = client.topology_description.server_descriptions().values()
                causes = ", ".join(str(each.error) for each in servers if each.error)
                raise TierUnavailableError(self._sentence(causes or "no server is found"))
            await asyncio.sleep(_LOOK_S)
        raise TierUnavailableError(f"{self.settings.place} is not open.")

    @contextmanager
    def told(self) -> Iterator[None]:
        """What a driver raises, as a tier's error."""
        try:
            yield
        except BulkWriteError as error:
            raise self._of_bulk(error.details or {}) from error
        except OperationFailure as error:
            text = (error.details or {}).get("errmsg") or str(error)
            theirs = error.code in _TOO_LARGE | _DAMAGED
            kind = TierRejectedError if theirs else TierUnavailableError
            raise kind(self._sentence(str(text))) from error
        except InvalidOperation as error:  # closed while this call was under way
            raise TierUnavailableError(f"{self.settings.place} is not open.") from error
        except (PyMongoError, OSError) as error:
            raise TierUnavailableError(self._sentence(str(error))) from error
        except (BSONError, OverflowError) as error:
            raise TierRejectedError(self._sentence(str(error))) from error

    def _of_bulk(self, details: Mapping[str, Any]) -> Exception:
        writes = details.get("writeErrors", ())
        errors = [*writes, *details.get("writeConcernErrors", ())]
        # What one operation is refused for is its own fault: for ever, it would stop all others.
        for error in writes:
            if _is_its_own_fault(error.get("code")):
                return TierRejectedError(self._sentence(str(error.get("errmsg"))))
        text = str(errors[0].get("errmsg")) if errors else "a write failed"
        return TierUnavailableError(self._sentence(text))

    def _sentence(self, text: str) -> str:
        # The driver goes on with its view of every server, which helps nobody here.
        text = text.partition(", Timeout: ")[0].partition(" (configured timeouts")[0]
        return f"{self.settings.place} does not do what it is asked: {text[:_TEXT].rstrip('. ')}."

    async def _connect(self) -> Handle:
        settings = self.settings
        milliseconds = int(settings.timeout_s * 1000)
        options: dict[str, Any] = {
            "appname": "smart-beer-bridge",
            "timeoutMS": milliseconds,
            "connectTimeoutMS": min(milliseconds, int(_SELECT_S * 1000)),
            "serverSelectionTimeoutMS": min(milliseconds, int(_SELECT_S * 1000)),
            "heartbeatFrequencyMS": _HEARTBEAT_MS,
            "maxPoolSize": _POOL,
            "datetime_conversion": "DATETIME_MS",
        }
        if settings.username is not None:
            options["username"] = settings.username
            options["password"] = await asyncio.to_thread(settings.password)
        if settings.ca_file is not None:
            options |= {"tls": True, "tlsCAFile": str(settings.ca_file)}
        try:
            if settings.driver == "pymongo":
                from pymongo import AsyncMongoClient  # noqa: PLC0415 - only the chosen one

                return AsyncMongoClient(settings.url, **options)
            motor = await asyncio.to_thread(importlib.import_module, "motor.motor_asyncio")
            loop = asyncio.get_running_loop()
            # In a thread: a mongodb+srv address is looked up at once.
            return await asyncio.to_thread(
                lambda: motor.AsyncIOMotorClient(settings.url, io_loop=loop, **options)
            )
        except (ConfigurationError, ValueError) as error:
            raise TierUnavailableError(self._sentence(str(error))) from error

    async def _shut(self) -> None:
        client, self._client, self._database = self._client, None, None
        if client is not None:
            await settled(client.close())


class Collection:
    """A collection; every method raises TierUnavailableError, writes also TierRejectedError."""

    def __init__(self, mongo: Mongo, raw: Handle) -> None:
        self._mongo = mongo
        self._raw = raw

    async def bulk(self, operations: Sequence[Any]) -> Changed:
        """Do these operations, all safe to repeat, in any order.

        Two clients that make one document at the same time may be told that it is there already:
        then the operation, which finds it now, is done again.
        """
        made = changed = removed = 0
        for attempt in range(_RACES):
            again: list[Any] = []
            with self._mongo.told():
                if operations:
                    try:
                        result = await settled(self._raw.bulk_write(operations, ordered=False))
                        details = result.bulk_api_result
                    except BulkWriteError as error:
                        details = error.details or {}
                        again = [operations[place] for place in _duplicates(details)]
                        if not again or attempt == _RACES - 1:
                            raise
                    made += details["nUpserted"]
                    changed += details["nModified"]
                    removed += details["nRemoved"]
            if not again:
                break
            operations = again
        return Changed(made, changed, removed)

    async def insert(self, documents: Sequence[Document]) -> list[int]:
        """Make these documents but for those that are there; the places of these, untouched."""
        if not documents:
            return []
        with self._mongo.told():
            try:
                await settled(self._raw.insert_many(documents, ordered=False))
            except BulkWriteError as error:
                there = _duplicates(error.details or {})
                if not there:
                    raise
                return there
        return []

    async def batches(
        self,
        query: Mapping[str, Any],
        fields: Sequence[str],
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        size: int = 500,
    ) -> AsyncGenerator[list[Document]]:
        """What a query finds, `size` documents at a time; 0: no limit."""
        await self._mongo.found()
        with self._mongo.told():
            cursor = self._raw.find(
                query,
                dict.fromkeys(fields, 1) or None,
                sort=sort or None,
                limit=limit,
                batch_size=size,
            )
            try:
                while batch := await settled(cursor.to_list(size)):
                    yield batch
            finally:
                await settled(cursor.close())

    async def find(
        self,
        query: Mapping[str, Any],
        fields: Sequence[str] = (),
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
    ) -> list[Document]:
        """Everything a query finds; for what fits into memory."""
        found: list[Document] = []
        async for batch in self.batches(query, fields, sort=sort, limit=limit):
            found += batch
        return found

    async def aggregate(self, pipeline: Sequence[Mapping[str, Any]]) -> list[Document]:
        """The result of a pipeline, which may use the server's disk."""
        await self._mongo.found()
        with self._mongo.told():
            cursor = await settled(self._raw.aggregate(pipeline, allowDiskUse=True))
            found: list[Document] = await settled(cursor.to_list(None))
        return found

    async def distinct(self, field: str) -> list[Any]:
        """Every value of a field, in no order."""
        await self._mongo.found()
        with self._mongo.told():
            found: list[Any] = await settled(self._raw.distinct(field))
        return found

    async def index(self, keys: Sequence[tuple[str, int]]) -> None:
        """Have this index; never one that lets the server forget documents."""
        with self._mongo.told():
            await settled(self._raw.create_index(keys))


async def settled(result: Handle) -> Handle:
    """The result itself, whether a driver gives it at once or wants it awaited."""
    return await result if hasattr(result, "__await__") else result


def _is_its_own_fault(code: object) -> bool:
    """Whether an operation that a server refused with that code will be refused for ever."""
    return isinstance(code, int) and code != _DUPLICATE and code not in _TRANSIENT


def _duplicates(details: Mapping[str, Any]) -> list[int]:
    """The places of operations that met a document, none when anything else went wrong as well."""
    errors = details.get("writeErrors", [])
    if details.get("writeConcernErrors") or any(e.get("code") != _DUPLICATE for e in errors):
        return []
    return [int(error["index"]) for error in errors]
