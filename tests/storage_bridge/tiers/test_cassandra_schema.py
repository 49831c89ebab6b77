"""What Cassandra is told of compaction, by its version."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_bridge.tiers.cassandra_schema import compaction, oldest
from storage_bridge.tiers.cassandra_settings import CassandraSettings


@pytest.mark.parametrize(
    ("wanted", "release", "named"),
    [
        ("ucs", "5.0.8", "UnifiedCompactionStrategy"),
        ("ucs", "5.0-beta1", "UnifiedCompactionStrategy"),
        ("ucs", "10.0", "UnifiedCompactionStrategy"),
        ("ucs", "4.1.10", "SizeTieredCompactionStrategy"),
        ("stcs", "4.1.10", "SizeTieredCompactionStrategy"),
        ("stcs", "5.0.8", "SizeTieredCompactionStrategy"),
        ("twcs", "4.1.10", "TimeWindowCompactionStrategy"),
        ("twcs", "5.0.8", "TimeWindowCompactionStrategy"),
    ],
)
def test_cassandra_compacts_as_wished_as_far_as_its_version_knows_it(
    wanted: Literal["ucs", "stcs", "twcs"], release: str, named: str
) -> None:
    settings = CassandraSettings(
        hosts=("10.0.0.1",), compaction=wanted, ttl_days=400 if wanted == "twcs" else None
    )
    assert f"'class': '{named}'" in compaction(settings, release)


@pytest.mark.parametrize(
    ("releases", "expected"),
    [
        ([], "5"),
        (["5.0.8"], "5.0.8"),
        (["4.10.1", "4.9.3"], "4.9.3"),
        (["10.0.0", "5.0.8", "4.1.10"], "4.1.10"),
        (["5.0.8", "5.0-beta1"], "5.0-beta1"),
    ],
)
def test_the_oldest_version_is_that_of_the_smallest_numbers(
    releases: list[str], expected: str
) -> None:
    assert oldest(releases) == expected


@given(st.lists(st.tuples(*[st.integers(0, 30)] * 3), min_size=1))
def test_the_order_of_versions_is_that_of_their_numbers(
    versions: list[tuple[int, int, int]],
) -> None:
    assert oldest(".".join(map(str, one)) for one in versions) == ".".join(map(str, min(versions)))
