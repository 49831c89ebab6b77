"""Real servers of the stores for tests, as `scripts.servers` starts them.

`SMART_BEER_TEST_REDIS`, `_MONGO` and `_CASSANDRA` (a URL; hosts) point the same tests at servers of
the user's own.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from scripts.servers import Child, MissingServerError, answers, free_port

__all__ = ["Child", "answers", "free_port", "required", "said_since"]

REQUIRE = "SMART_BEER_REQUIRE_SERVERS"


def said_since(t: float) -> list[tuple[str, str]]:
    """Which servers have said something since `t` (s since 1970), and the end of that."""
    said = [each for each in Child.every if each.output.exists()]
    return [
        (f"The end of {each.output}", each.tail())
        for each in sorted(said, key=lambda each: each.output)
        if each.output.stat().st_mtime >= t
    ]


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
