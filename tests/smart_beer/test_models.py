"""What a node says, parsed with suspicion."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.smart_beer.models import (
    ChannelInfo,
    ChannelReading,
    Health,
    Identity,
    KettleInfo,
    NodeInfo,
    NodeState,
    SamplesPage,
)
from tests.smart_beer.edge_stub import EdgeStub, channel

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=5)
    | st.just(10**400),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)
PARSERS = [
    Identity,
    KettleInfo,
    ChannelInfo,
    NodeInfo,
    ChannelReading,
    Health,
    NodeState,
    SamplesPage,
]


def page(*rows: list[Any], **changes: Any) -> dict[str, Any]:
    return {
        "spool_id": "s",
        "first_seq": 1,
        "last_seq": 9,
        "next": rows[-1][0] if rows else 0,
        "holes": [{"from": 3, "to": 4}],
        "series": ["mash-a/temperature"],
        "batches": ["B001"],
        "samples": list(rows),
        "boot_id": "b",
        "mono_ms": 5,
        **changes,
    }


def node(**changes: Any) -> dict[str, Any]:
    return {**EdgeStub(fingerprint="f" * 64).describe(), **changes}


def test_a_page_is_taken_as_it_is() -> None:
    rows: list[list[Any]] = [[5, 1000, 0, 65.1, "ok", None], [6, 2000, 0, None, "bad:crc", 0]]
    parsed = SamplesPage.parse(page(*rows, gap={"from": 1, "to": 2}), after=0)
    assert parsed.samples == rows
    assert parsed.next == 6
    assert parsed.gap == {"from": 1, "to": 2}
    assert parsed.holes == [[3, 4]]
    assert parsed.after == 0


@pytest.mark.parametrize(
    "row",
    [
        [5, 1000, 0, 65.1, "ok"],
        [5, 1000, 1, 65.1, "ok", None],
        [5, 1000, -1, 65.1, "ok", None],
        [5, 1000, 0, None, "ok", None],
        [5, 1000, 0, 65.1, "bad:crc", None],
        [5, 1000, 0, float("nan"), "ok", None],
        [5, 1000, 0, float("inf"), "ok", None],
        [5, 1000, 0, 10**400, "ok", None],
        [5, 1000, 0, "65", "ok", None],
        [5, 1000, 0, True, "ok", None],
        [5, 1000, 0, 65.1, "ok", 1],
        [5, 1000, 0, 65.1, "ok", True],
        [5, "now", 0, 65.1, "ok", None],
        [0, 1000, 0, 65.1, "ok", None],
        ["5", 1000, 0, 65.1, "ok", None],
        None,
    ],
)
def test_a_row_that_breaks_the_contract_refuses_its_page(row: Any) -> None:
    with pytest.raises(ValueError, match=r"row|next"):
        SamplesPage.parse(page(row if isinstance(row, list) else [row]), after=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"next": 7},
        {"series": [1]},
        {"holes": [[1]]},
        {"holes": [{"from": 1}]},
        {"gap": []},
        {"gap": {"from": "1", "to": 2}},
        {"spool_id": ""},
        {"samples": {}},
        {"last_seq": -1},
        {"last_seq": True},
    ],
)
def test_a_page_that_breaks_the_contract_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        SamplesPage.parse(page([5, 1000, 0, 65.1, "ok", None], **changes), after=0)


def test_rows_must_rise() -> None:
    row = [5, 1000, 0, 65.1, "ok", None]
    with pytest.raises(ValueError, match="row"):
        SamplesPage.parse(page(row, row), after=0)


def test_a_node_is_read_whole() -> None:
    info = NodeInfo.parse(node(channels=[channel("t"), channel("p", "pressure", kettle_id=None)]))
    assert info.node_id == "mash-a"
    assert info.version == "0.1.0"
    assert [kettle.name for kettle in info.kettles] == ["Mash tun"]
    first, second = info.channels
    assert first.limits == (-10.0, 120.0)
    assert second.kettle_id is None
    assert info.channel("p") is second
    assert info.channel("q") is None


def test_a_newer_node_may_say_more_and_an_older_one_less() -> None:
    info = NodeInfo.parse(
        node(
            novelty={"deep": [1]},
            channels=[{"id": "t", "kind": "gravity", "limits": ["low", None]}],
            kettles=[{"kettle_id": "k"}],
        )
    )
    only = info.channels[0]
    assert (only.name, only.role, only.unit, only.limits) == ("t", "auxiliary", "", None)
    assert info.kettles[0].name == "k"


def test_a_bad_reading_is_never_a_number() -> None:
    reading = ChannelReading.parse({"t": 1, "value": 85.0, "quality": "bad:power_on"})
    assert reading.value is None
    lost = ChannelReading.parse({"t": 1, "value": float("nan"), "quality": "ok"})
    assert (lost.value, lost.quality) == (None, "bad:io")


def test_health_counts_errors_of_all_channels_by_cause() -> None:
    health = Health.parse(
        {"bus_errors": {"a": {"crc": 2, "empty": 1}, "b": {"crc": 3, "odd": "x"}, "c": 7}}
    )
    assert health.errors_by_cause() == {"crc": 5, "empty": 1}
    assert health.disk_free is None


@pytest.mark.parametrize("parser", PARSERS)
@given(data=JSON)
def test_garbage_is_a_value_error_and_nothing_else(parser: Any, data: Any) -> None:
    if isinstance(data, dict):
        with suppress(ValueError):
            parser.parse(data)


@given(
    key=st.sampled_from(["samples", "next", "holes", "gap", "series", "batches", "last_seq"]),
    value=JSON,
)
def test_a_page_with_one_field_of_garbage_is_refused_or_sound(key: str, value: Any) -> None:
    data = page([5, 1000, 0, 65.1, "ok", None])
    data[key] = value
    try:
        parsed = SamplesPage.parse(data, after=0)
    except ValueError:
        return
    assert all(row[2] < len(parsed.series) for row in parsed.samples)


@given(
    key=st.sampled_from(["channels", "kettles", "spool", "clock", "versions", "name", "node_id"]),
    value=JSON,
)
def test_a_node_with_one_field_of_garbage_is_refused_or_sound(key: str, value: Any) -> None:
    try:
        info = NodeInfo.parse(node(**{key: value}))
    except ValueError:
        return
    assert info.node_id
