"""Addresses of a Redis."""

import pytest

from storage_bridge.tiers.redis_settings import Address, RedisSettings, parse_url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://r", Address("standalone", False, (("r", 6379),), "", 0)),
        ("redis://r:1/3", Address("standalone", False, (("r", 1),), "", 3)),
        ("rediss://[::1]:7000/", Address("standalone", True, (("::1", 7000),), "", 0)),
        (
            "redis+sentinel://a,b:5,[fe80::1]:7/brewery",
            Address("sentinel", False, (("a", 26379), ("b", 5), ("fe80::1", 7)), "brewery", 0),
        ),
        ("rediss+sentinel://a/m/2", Address("sentinel", True, (("a", 26379),), "m", 2)),
        (
            "redis+cluster://a,b:7001",
            Address("cluster", False, (("a", 6379), ("b", 7001)), "", 0),
        ),
        ("rediss+cluster://a/", Address("cluster", True, (("a", 6379),), "", 0)),
    ],
)
def test_addresses_are_taken_apart(url: str, address: Address) -> None:
    assert parse_url(url) == address
    assert RedisSettings(url=url).address == address


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "must start"),
        ("http://r", "must start"),
        ("redis://", "HOST:PORT"),
        ("redis://r:0", "HOST:PORT"),
        ("redis://r:99999", "no address"),
        ("redis://[::1", "no address"),
        ("redis://u:p@r", "password_file"),
        ("redis://r?db=1", "keys of their own"),
        ("redis://a,b", "several servers"),
        ("redis://r/x", "database number"),
        ("redis://r/1/2", "database number"),
        ("redis+sentinel://a", "name the master"),
        ("redis+sentinel://a,,b/m", "HOST:PORT"),
        ("redis+cluster://a/1", "database number"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_url(url)
