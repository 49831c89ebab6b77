"""The MongoDB of a test session: the user's own, or one started here."""

import os
from collections.abc import Iterator
from typing import Final

import pytest
from pymongo import MongoClient

from scripts.servers import HOST
from scripts.servers.mongo import MONGOD, MongoServer

__all__ = ["HOST", "REAL", "MongoServer", "drop", "mongo_url"]

OWN: Final = os.environ.get("SMART_BEER_TEST_MONGO")
# Some things only a real one can fail: those tests are not collected without one.
REAL: Final = bool(OWN or MONGOD)


def drop(url: str, database: str) -> None:
    """Remove a database of a test."""
    with MongoClient[dict[str, object]](url, timeoutMS=20_000) as client:
        client.drop_database(database)


@pytest.fixture(scope="session")
def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The MongoDB of this test session: the user's own, or one started here."""
    if OWN:
        yield OWN
        return
    server = MongoServer(tmp_path_factory.mktemp("mongo") / "server")
    server.start()
    try:
        yield server.url
    finally:
        server.stop()
