"""Packed messages."""

from hypothesis import given
from hypothesis import strategies as st

from storage_bridge.outbox_pack import pack, unpack

from .events import event, message


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_messages_come_back_as_they_were(messages: list[bytes]) -> None:
    assert list(unpack(pack(messages))) == messages


def test_samples_shrink_at_least_fivefold() -> None:
    messages = [message(event(n * 1000 + 1, n * 1000 + 1000)) for n in range(10)]
    assert len(pack(messages)) * 5 < sum(map(len, messages))
