"""Real servers of the stores for tests, as `scripts.servers` starts them.

`SMART_BEER_TEST_REDIS`, `_MONGO` and `_CASSANDRA` (a URL; hosts) point the same tests at servers of
the user's own.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from scripts.servers import Child, MissingServerError, answers, free_port

__all__ = ["Child", "answers", "free_port", "required"]

REQUIRE = "SMART_BEER_REQUIRE_SERVERS"


@contextmanager
def required() -> Iterator[None]:
    """Skip loudly what needs a server that cannot be had; fail where none may be skipped."""
    try:
        yield
    except MissingServerError as missing:
        text = f"NO {missing.store.upper()} SERVER, ITS TESTS DO NOT RUN: {missing.why}"
        if os.environ.get(REQUIRE) or os.environ.get("CI"):
            pytest.fail(text, pytrace=False)
        pytest.skip(text)
