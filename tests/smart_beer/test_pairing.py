"""The pairing line, and meeting a node with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.smart_beer.client import pair, probe_identity
from custom_components.smart_beer.exceptions import (
    FingerprintMismatchError,
    NodeConnectionError,
    PairingLineError,
    PairingRefusedError,
)
from custom_components.smart_beer.pairing import PairingLine
from tests.smart_beer.edge_stub import EdgeStub, own_session

PREFIX = "0123456789abcdef" * 2


def line_of(stub: EdgeStub, code: str = "k7Qm2x") -> PairingLine:
    return PairingLine(host=stub.host, port=stub.port, prefix=stub.fingerprint[:32], code=code)


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("192.168.1.20:8443", "192.168.1.20", 8443),
        ("mash-a.local:9000", "mash-a.local", 9000),
        ("brew-pi-2", "brew-pi-2", 8443),
        ("[fe80::1]:8443", "fe80::1", 8443),
    ],
)
def test_a_line_is_read_from_the_right(address: str, host: str, port: int) -> None:
    line = PairingLine.parse(f"  SB1-{address}-{PREFIX.upper()}-AbC234\n")
    assert line == PairingLine(host=host, port=port, prefix=PREFIX, code="AbC234")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SB1",
        "SB1-",
        "SB2-host:1-" + PREFIX + "-abcdef",
        "SB1-host:1-" + PREFIX,
        "SB1-host:1-abcd-abcdef",
        "SB1-host:0-" + PREFIX + "-abcdef",
        "SB1-host:99999-" + PREFIX + "-abcdef",
        "SB1-host:x-" + PREFIX + "-abcdef",
        "SB1-ho/st:1-" + PREFIX + "-abcdef",
        "SB1-[fe80::1-" + PREFIX + "-abcdef",
        "SB1-host:1-" + PREFIX + "-",
    ],
)
def test_what_is_no_line_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(PairingLineError, match=r"\.$"):
        PairingLine.parse(text)


@given(st.text())
def test_any_text_is_a_line_or_refused(text: str) -> None:
    try:
        line = PairingLine.parse(text)
    except PairingLineError:
        return
    assert 0 < line.port < 65536


async def test_pairing_gives_a_token_and_the_full_fingerprint(stub: EdgeStub) -> None:
    async with own_session() as session:
        paired = await pair(session, line_of(stub), client_name="Home", client_id="c1")
    assert paired.token == "new-token"
    assert paired.identity.fingerprint == stub.fingerprint
    assert (paired.host, paired.port) == (stub.host, stub.port)


async def test_a_wrong_code_is_refused_with_the_nodes_reason(stub: EdgeStub) -> None:
    async with own_session() as session:
        with pytest.raises(PairingRefusedError) as caught:
            await pair(session, line_of(stub, "wrong"), client_name="Home", client_id="c1")
    assert caught.value.code == "wrong_code"


async def test_no_code_leaves_for_a_node_that_is_not_the_one_of_the_line(stub: EdgeStub) -> None:
    line = PairingLine(host=stub.host, port=stub.port, prefix=PREFIX, code="k7Qm2x")
    async with own_session() as session:
        with pytest.raises(FingerprintMismatchError):
            await pair(session, line, client_name="Home", client_id="c1")
    assert ("POST", "/v1/pair") not in stub.requests


async def test_a_claimed_fingerprint_that_is_not_the_certificates_is_not_believed(
    stub: EdgeStub,
) -> None:
    stub.fingerprint = "f" * 64
    async with own_session() as session:
        with pytest.raises(FingerprintMismatchError):
            await probe_identity(session, stub.host, stub.port)


async def test_nobody_there_is_a_connection_error(socket_enabled: None) -> None:
    async with own_session() as session:
        with pytest.raises(NodeConnectionError):
            await probe_identity(session, "127.0.0.1", 1)


async def test_a_server_error_while_pairing_is_not_called_a_refusal(stub: EdgeStub) -> None:
    stub.answers["/v1/pair"] = stub.refuse(503, "busy")
    async with own_session() as session:
        with pytest.raises(Exception, match="busy") as caught:
            await pair(session, line_of(stub), client_name="Home", client_id="c1")
    assert not isinstance(caught.value, PairingRefusedError)
