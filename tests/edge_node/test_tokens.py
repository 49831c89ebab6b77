"""Paired clients: who is let in, what is stored, and when an old token ends."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node import secret_file
from edge_node import tokens as module
from edge_node.secret_file import SecretFileError, locked
from edge_node.tokens import (
    GRACE_MS,
    Client,
    Scope,
    Token,
    TokenStore,
    TooManyClientsError,
    live_tokens,
)


class Clocks:
    """Both clocks of a node, moved by hand; milliseconds."""

    def __init__(self) -> None:
        self.utc = 1_800_000_000_000
        self.mono = 50_000

    def move(self, milliseconds: int) -> None:
        self.utc += milliseconds
        self.mono += milliseconds


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def open_store(folder: Path, clocks: Clocks) -> TokenStore:
    return TokenStore(folder, utc_ms=lambda: clocks.utc, mono_ms=lambda: clocks.mono)


@pytest.fixture
def store(tmp_path: Path, clocks: Clocks) -> TokenStore:
    return open_store(tmp_path, clocks)


def test_a_paired_token_is_known_with_its_client_and_scope(store: TokenStore) -> None:
    token = store.pair("ha", "Home Assistant", Scope.CONTROL)
    caller = store.authenticate(token, "10.0.0.1")
    assert caller is not None
    assert (caller.client_id, caller.name, caller.scope) == (
        "ha",
        "Home Assistant",
        Scope.CONTROL,
    )


@given(text=st.text(st.characters(exclude_categories=())))
def test_any_other_text_is_not_a_token(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = open_store(tmp_path_factory.mktemp("data"), Clocks())
    store.pair("ha", "Home Assistant", Scope.READ)
    assert store.authenticate(text, "10.0.0.1") is None


def test_tokens_carry_256_bits_and_are_never_the_same(store: TokenStore) -> None:
    found = {store.pair(f"c{i}", "x", Scope.READ) for i in range(20)}
    assert len(found) == 20
    assert all(len(token) == 43 for token in found)  # 32 bytes in base 64


def test_only_hashes_are_stored_and_only_for_the_owner(store: TokenStore, tmp_path: Path) -> None:
    token = store.pair("ha", "Home Assistant", Scope.CONTROL)
    for path in tmp_path.iterdir():
        assert token not in path.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    stored = json.loads((tmp_path / "clients.json").read_text())
    assert stored["clients"][0]["tokens"][0]["hash"] == module.hash_token(token)


def test_pairing_survives_a_restart(store: TokenStore, tmp_path: Path, clocks: Clocks) -> None:
    token = store.pair("ha", "Home Assistant", Scope.READ)
    assert open_store(tmp_path, clocks).authenticate(token, "10.0.0.1") is not None


def test_control_includes_read_and_not_the_other_way() -> None:
    assert Scope.CONTROL.includes(Scope.READ)
    assert Scope.CONTROL.includes(Scope.CONTROL)
    assert Scope.READ.includes(Scope.READ)
    assert not Scope.READ.includes(Scope.CONTROL)


def test_the_old_token_lives_until_the_new_one_is_used_from_every_address_of_the_old(
    store: TokenStore,
) -> None:
    old = store.pair("ha", "Home Assistant", Scope.CONTROL)
    store.authenticate(old, "10.0.0.1")
    store.authenticate(old, "10.0.0.2")
    new = store.pair("ha", "Home Assistant", Scope.CONTROL)
    assert store.authenticate(old, "10.0.0.2") is not None
    store.authenticate(new, "10.0.0.1")
    assert store.authenticate(old, "10.0.0.2") is not None
    store.authenticate(new, "10.0.0.2")
    assert store.authenticate(old, "10.0.0.1") is None
    assert store.authenticate(old, "10.0.0.2") is None
    assert store.authenticate(new, "10.0.0.1") is not None


def test_a_token_that_was_never_used_lives_until_its_successor_is_used(store: TokenStore) -> None:
    old = store.pair("ha", "Home Assistant", Scope.READ)
    new = store.pair("ha", "Home Assistant", Scope.READ)
    assert live_count(store) == 2
    store.authenticate(new, "10.0.0.9")
    assert store.authenticate(old, "10.0.0.9") is None


def test_a_replaced_token_ends_after_a_day_at_the_latest(store: TokenStore, clocks: Clocks) -> None:
    old = store.pair("ha", "Home Assistant", Scope.READ)
    store.authenticate(old, "10.0.0.1")
    new = store.pair("ha", "Home Assistant", Scope.READ)
    store.authenticate(new, "10.0.0.2")
    clocks.move(GRACE_MS - 1)
    assert store.authenticate(old, "10.0.0.1") is not None
    clocks.move(1)
    assert store.authenticate(old, "10.0.0.1") is None
    assert store.authenticate(new, "10.0.0.2") is not None


def test_a_step_of_the_wall_clock_ends_no_token(store: TokenStore, clocks: Clocks) -> None:
    old = store.pair("ha", "Home Assistant", Scope.READ)
    store.authenticate(old, "10.0.0.1")
    store.pair("ha", "Home Assistant", Scope.READ)
    clocks.utc += 366 * 24 * 3600 * 1000
    assert store.authenticate(old, "10.0.0.1") is not None


def test_the_day_of_grace_is_counted_across_restarts(
    store: TokenStore, tmp_path: Path, clocks: Clocks
) -> None:
    old = store.pair("ha", "Home Assistant", Scope.READ)
    store.authenticate(old, "10.0.0.1")
    store.pair("ha", "Home Assistant", Scope.READ)
    for _ in range(3):
        clocks.move(GRACE_MS // 4)
        store.flush()
        clocks.mono = 1000  # the machine has booted again
        store = open_store(tmp_path, clocks)
    assert store.authenticate(old, "10.0.0.1") is not None
    clocks.move(GRACE_MS // 4)
    assert store.authenticate(old, "10.0.0.1") is None


def test_uses_and_retirement_survive_a_restart(
    store: TokenStore, tmp_path: Path, clocks: Clocks
) -> None:
    old = store.pair("ha", "Home Assistant", Scope.READ)
    store.authenticate(old, "10.0.0.1")
    new = store.pair("ha", "Home Assistant", Scope.READ)
    store.authenticate(new, "10.0.0.1")
    before = store.urgent
    store.flush()
    assert (before, store.urgent) == (True, False)
    again = open_store(tmp_path, clocks)
    assert again.authenticate(old, "10.0.0.1") is None
    assert again.clients()[0]["last_used"] == {"10.0.0.1": clocks.utc}


def test_a_revocation_by_another_process_holds_at_the_next_request(
    store: TokenStore, tmp_path: Path, clocks: Clocks
) -> None:
    token = store.pair("ha", "Home Assistant", Scope.READ)
    other = store.pair("bridge", "Bridge", Scope.READ)
    assert store.authenticate(token, "10.0.0.1") is not None
    assert open_store(tmp_path, clocks).revoke("ha")
    assert store.authenticate(token, "10.0.0.1") is None
    store.authenticate(other, "10.0.0.3")
    store.flush()
    assert [client["client_id"] for client in open_store(tmp_path, clocks).clients()] == ["bridge"]


def test_writing_uses_does_not_undo_what_another_process_did(
    store: TokenStore, tmp_path: Path, clocks: Clocks
) -> None:
    first = store.pair("ha", "Home Assistant", Scope.READ)
    store.authenticate(first, "10.0.0.1")
    second = open_store(tmp_path, clocks).pair("bridge", "Bridge", Scope.READ)
    store.flush()
    fresh = open_store(tmp_path, clocks)
    assert fresh.authenticate(second, "10.0.0.2") is not None
    assert fresh.clients()[0]["last_used"] == {"10.0.0.1": clocks.utc}


def test_revoking_one_token_leaves_the_clients_others(store: TokenStore) -> None:
    old = store.pair("ha", "Home Assistant", Scope.READ)
    new = store.pair("ha", "Home Assistant", Scope.READ)
    store.revoke_token(module.hash_token(new))
    assert store.authenticate(new, "10.0.0.1") is None
    assert store.authenticate(old, "10.0.0.1") is not None
    store.revoke_token(module.hash_token(old))
    assert store.clients() == []


def test_revoking_nobody_says_so(store: TokenStore) -> None:
    assert not store.revoke("nobody")


def test_the_number_of_clients_is_bounded(
    store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_CLIENTS", 3)
    kept = [store.pair(f"c{i}", "x", Scope.READ) for i in range(3)]
    with pytest.raises(TooManyClientsError, match="clients revoke"):
        store.pair("one-more", "x", Scope.READ)
    assert all(store.authenticate(token, "10.0.0.1") for token in kept)
    assert len(store.clients()) == 3


def test_what_cannot_be_written_changes_nothing(store: TokenStore, tmp_path: Path) -> None:
    token = store.pair("ha", "Home Assistant", Scope.READ)
    hidden = tmp_path / "clients.json"
    before = hidden.read_bytes()
    moved = tmp_path.with_name("gone")
    tmp_path.rename(moved)
    with pytest.raises(SecretFileError, match=r"clients\.json"):
        store.pair("new", "New", Scope.READ)
    moved.rename(tmp_path)
    assert hidden.read_bytes() == before
    assert [client["client_id"] for client in store.clients()] == ["ha"]
    assert store.authenticate(token, "10.0.0.1") is not None


def test_a_damaged_file_keeps_known_clients_and_is_kept_aside(
    store: TokenStore, tmp_path: Path
) -> None:
    token = store.pair("ha", "Home Assistant", Scope.READ)
    (tmp_path / "clients.json").write_text('{"clients": [{"client_id"')
    assert store.authenticate(token, "10.0.0.1") is not None
    store.pair("new", "New", Scope.READ)
    assert (tmp_path / "clients.damaged").read_text() == '{"clients": [{"client_id"'
    assert [client["client_id"] for client in store.clients()] == ["ha", "new"]


def test_a_lock_that_is_held_for_ever_is_an_error_and_not_a_wait_for_ever(
    store: TokenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_node.secret_file.LOCK_TIMEOUT_S", 0.05)
    with locked(tmp_path / "clients.json"), pytest.raises(SecretFileError, match="locked"):
        store.pair("ha", "Home Assistant", Scope.READ)


def test_pairing_from_many_threads_loses_nobody(
    store: TokenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_node.secret_file.LOCK_TIMEOUT_S", 60)  # on any disk
    clocks = Clocks()
    others = [open_store(tmp_path, clocks) for _ in range(4)]
    threads = [
        threading.Thread(target=each.pair, args=(f"c{i}", "x", Scope.READ))
        for i, each in enumerate([store, *others])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {client["client_id"] for client in store.clients()} == {f"c{i}" for i in range(5)}


USES = st.dictionaries(st.sampled_from("abcd"), st.just(0), max_size=4)


@given(old=USES, new=USES, grace=st.integers(0, GRACE_MS), elapsed=st.integers(0, GRACE_MS))
def test_the_rule_of_replacement(
    old: dict[str, int], new: dict[str, int], grace: int, elapsed: int
) -> None:
    client = Client(
        "ha",
        "HA",
        [Token("1", "read", 0, grace, old), Token("2", "read", 0, None, new)],
    )
    alive = [token.hash for token in live_tokens(client, elapsed)]
    assert alive[-1] == "2"
    covered = bool(new) and set(old) <= set(new)
    assert ("1" in alive) == (grace > elapsed and not covered)


def live_count(store: TokenStore) -> int:
    return 1 + int(store.clients()[0]["replaced_tokens"])


def test_looking_a_token_up_never_waits_for_the_disk(
    store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = store.pair("ha", "Home Assistant", Scope.READ)
    writing, go_on = threading.Event(), threading.Event()
    write_json = secret_file.write_json

    def slow(path: Path, content: dict[str, object]) -> None:
        writing.set()
        assert go_on.wait(60)
        write_json(path, content)

    monkeypatch.setattr(module, "write_json", slow)
    thread = threading.Thread(target=store.pair, args=("bridge", "Bridge", Scope.READ))
    thread.start()
    assert writing.wait(60)
    try:
        assert store.authenticate(token, "10.0.0.1") is not None
        assert len(store.clients()) == 1
    finally:
        go_on.set()
        thread.join(60)
    assert len(store.clients()) == 2
    assert store.clients()[0]["last_used"] == {"10.0.0.1": pytest.approx(1_800_000_000_000)}
    urgent = store.urgent  # the use that came during the write is still to be written
    assert urgent
