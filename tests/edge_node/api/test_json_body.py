"""Strict JSON in, or a 400 that says why."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.api.errors import ApiError
from edge_node.api.json_body import depth, parse_object

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


def nesting(value: Any) -> int:
    match value:
        case dict():
            return 1 + max(map(nesting, value.values()), default=0)
        case list():
            return 1 + max(map(nesting, value), default=0)
        case _:
            return 0


@given(content=st.dictionaries(st.text(), VALUES), ascii_only=st.booleans())
def test_json_is_read_as_it_was_meant_unless_too_deep(
    content: dict[str, Any], ascii_only: bool
) -> None:
    raw = json.dumps(content, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert depth(raw.decode()) == nesting(content)
    if nesting(content) <= 4:
        assert parse_object(raw) == content
    else:
        with pytest.raises(ApiError) as caught:
            parse_object(raw)
        assert (caught.value.status, caught.value.code) == (400, "too_deep")


@given(raw=st.binary(max_size=200))
def test_any_bytes_give_an_object_or_a_400(raw: bytes) -> None:
    answer: object
    try:
        answer = parse_object(raw)
    except ApiError as err:
        answer = err
    if isinstance(answer, ApiError):
        assert answer.status == 400
        assert answer.message.isascii()
    else:
        assert isinstance(answer, dict)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "bad_json"),
        (b"[]", "bad_json"),
        (b'"x"', "bad_json"),
        (b'{"a": NaN}', "bad_json"),
        (b'{"a": Infinity}', "bad_json"),
        (b'{"a": -Infinity}', "bad_json"),
        (b'{"a": 1e999}', "bad_json"),
        (b'{"a": ' + b"9" * 5000 + b"}", "bad_json"),
        (b'{"a": 1, "a": 1}', "bad_json"),
        (b'{"a": {"b": 1, "b": 2}}', "bad_json"),
        (b'{"a": 1} x', "bad_json"),
        (b"{'a': 1}", "bad_json"),
        (b'{"a": "\xff"}', "bad_json"),
        (b"\xef\xbb\xbf{}", "bad_json"),
        (b'{"a": [[[[1]]]]}', "too_deep"),
        (b"[" * 8000, "too_deep"),
        (b'{"a":' * 1600, "too_deep"),
    ],
)
def test_what_is_no_strict_json_object_is_refused(raw: bytes, code: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_object(raw)
    assert (caught.value.status, caught.value.code) == (400, code)


def test_brackets_in_strings_do_not_count_as_depth() -> None:
    assert parse_object(b'{"a": "[[[[[[{{{{\\"]"}') == {"a": '[[[[[[{{{{"]'}
