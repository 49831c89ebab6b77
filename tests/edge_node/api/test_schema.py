"""Parameters and fields: nothing unknown, nothing out of range, nothing clamped."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.api.errors import ApiError
from edge_node.api.schema import (
    Field,
    Integer,
    Number,
    Parameter,
    Text,
    body_schema,
    check_fields,
    check_query,
)

QUERY = (
    Parameter(name="limit", kind=Integer(1, 10_000), description="", default=1000),
    Parameter(name="wait", kind=Number(0, 30), description=""),
    Parameter(name="spool", kind=Text(pattern="[0-9a-f]{4}"), description=""),
)
FIELDS = (
    Field(name="name", kind=Text(), description="shown"),
    Field(name="scope", kind=Text(choices=("read", "control")), description="wanted"),
    Field(name="at", kind=Integer(0, 100), description="when"),
)
GOOD = {"name": "Kühlschrank 1", "scope": "read", "at": 7}


def refused(given: list[tuple[str, str]]) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        check_query(QUERY, given)
    return caught.value.status, caught.value.code


def test_what_is_not_given_takes_its_default() -> None:
    assert check_query(QUERY, []) == {"limit": 1000, "wait": None, "spool": None}


@given(limit=st.integers(1, 10_000), wait=st.floats(0, 30))
def test_what_is_in_range_is_taken_as_it_is(limit: int, wait: float) -> None:
    values = check_query(QUERY, [("limit", str(limit)), ("wait", repr(wait)), ("spool", "beef")])
    assert values == {"limit": limit, "wait": wait, "spool": "beef"}


@given(limit=st.integers().filter(lambda n: not 1 <= n <= 10_000))
def test_what_is_out_of_range_is_refused(limit: int) -> None:
    assert refused([("limit", str(limit))]) == (400, "bad_parameter")


@pytest.mark.parametrize(
    "text",
    ["", " 1", "1 ", "+1", "01", "1.0", "1e3", "1_000", "0x10", "١٢", "NaN", "1" * 5000, "true"],
)
def test_only_plain_whole_numbers_are_whole_numbers(text: str) -> None:
    assert refused([("limit", text)]) == (400, "bad_parameter")


@pytest.mark.parametrize("text", ["", "nan", "inf", "-inf", "1e999", ".5", "1.", "1,5", "-1", "31"])
def test_only_json_numbers_in_range_are_numbers(text: str) -> None:
    assert refused([("wait", text)]) == (400, "bad_parameter")


def test_unknown_and_repeated_parameters_are_refused() -> None:
    assert refused([("limits", "1")]) == (400, "unknown_parameter")
    assert refused([("limit", "1"), ("limit", "1")]) == (400, "bad_parameter")


def test_a_pattern_holds_for_the_whole_text() -> None:
    assert refused([("spool", "beef\n")]) == (400, "bad_parameter")
    assert refused([("spool", "beefbeef")]) == (400, "bad_parameter")


def test_good_fields_pass() -> None:
    check_fields(FIELDS, GOOD)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"extra": 1}, 400, "unknown_field"),
        ({"name": 7}, 400, "bad_field"),
        ({"name": ""}, 400, "bad_field"),
        ({"name": "x" * 65}, 400, "bad_field"),
        ({"name": "red\x1b[31m"}, 400, "bad_field"),
        ({"name": "half \ud800"}, 400, "bad_field"),
        ({"scope": "admin"}, 400, "bad_field"),
        ({"scope": None}, 400, "bad_field"),
        ({"at": "7"}, 400, "bad_field"),
        ({"at": True}, 400, "bad_field"),
        ({"at": 7.5}, 400, "bad_field"),
        ({"at": -1}, 422, "out_of_range"),
        ({"at": 101}, 422, "out_of_range"),
    ],
)
def test_bad_fields_are_refused(change: dict[str, Any], status: int, code: str) -> None:
    with pytest.raises(ApiError) as caught:
        check_fields(FIELDS, GOOD | change)
    assert (caught.value.status, caught.value.code) == (status, code)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_missing_field_is_named(name: str) -> None:
    with pytest.raises(ApiError, match=name) as caught:
        check_fields(FIELDS, {key: value for key, value in GOOD.items() if key != name})
    assert caught.value.code == "missing_field"


def test_the_same_table_describes_what_it_checks() -> None:
    schema = body_schema(FIELDS)
    assert schema["required"] == ["name", "scope", "at"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["scope"] == {
        "type": "string",
        "enum": ["read", "control"],
        "description": "wanted",
    }
    assert schema["properties"]["at"]["maximum"] == 100
