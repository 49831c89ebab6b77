"""Who may talk to the node: paired clients and the hashes of their bearer tokens.

`clients.json` in the data folder holds one entry a client and, of each token, its SHA-256 only.
Every change reads, changes and replaces the file under a lock, so that the running node and the
`clients` command never undo each other; a change by another process is seen at the next look-up.
"""

from __future__ import annotations

import copy
import hashlib
import hmac
import logging
import secrets
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from edge_node.secret_file import (
    SecretFileError,
    locked,
    move_aside,
    read_json,
    signature,
    write_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOGGER = logging.getLogger(__name__)

FILE_NAME = "clients.json"
GRACE_MS = 24 * 3600 * 1000  # how long a replaced token can live on at most
MAX_CLIENTS = 64
MAX_TOKENS = 4  # a client's newest, and those it replaces
MAX_ADDRESSES = 64  # remembered per token
_UNREAD = (-1, -1, -1)  # the signature of no file
STALE_USE_MS = 300_000  # a last use is written again once it is this much newer


class Scope(Enum):
    """What a token may do; control includes read."""

    READ = "read"
    CONTROL = "control"

    def includes(self, wanted: Scope) -> bool:
        """Whether a token of this scope may make a call that needs the wanted one."""
        return self is Scope.CONTROL or wanted is Scope.READ


class TooManyClientsError(Exception):
    """The node has as many paired clients as it remembers."""


@dataclass(slots=True)
class Token:
    """One token as stored; times are UTC milliseconds, for people only.

    `grace_ms` is what a replaced token may still live, counted on CLOCK_BOOTTIME while the node
    runs, because the wall clock may be a year off; None for a client's newest token.
    """

    hash: str
    scope: str
    created: int
    grace_ms: int | None = None
    last_used: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Client:
    """A paired client; its newest token comes last."""

    client_id: str
    name: str
    tokens: list[Token]


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a token belongs to."""

    client_id: str
    name: str
    scope: Scope
    token_hash: str


def hash_token(token: str) -> str:
    """SHA-256 of the token, 64 hex digits; 256 random bits need no salt and no stretching."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def live_tokens(client: Client, elapsed_ms: int = 0) -> list[Token]:
    """The tokens of a client that are valid, `elapsed_ms` after their grace was last counted.

    A replaced token lives until the newest has been used from every address that used it (and at
    least once at all: the answer with the newest may have been lost), or its grace is over.
    """
    newest = client.tokens[-1]

    def alive(token: Token) -> bool:
        if token.grace_ms is None or token.grace_ms <= elapsed_ms:
            return False
        return not newest.last_used or not token.last_used.keys() <= newest.last_used.keys()

    return [token for token in client.tokens[:-1] if alive(token)] + [newest]


class TokenStore:
    """The paired clients of one node; safe to use from several threads and processes."""

    def __init__(
        self,
        data_dir: Path,
        *,
        utc_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        mono_ms: Callable[[], int] = lambda: (
            time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
        ),
    ) -> None:
        self._path = data_dir / FILE_NAME
        self._utc_ms = utc_ms
        self._mono_ms = mono_ms
        self._guard = threading.Lock()  # of what is in memory; never held during a write
        self._writing = threading.Lock()
        self._clients: dict[str, Client] = {}
        self._signature: tuple[int, int, int] | None = _UNREAD
        self._counted_at = mono_ms()
        self._used: dict[str, dict[str, int]] = {}  # token hash -> address -> utc ms, unwritten
        self._urgent = False
        with self._guard:
            self._refresh()

    def authenticate(self, token: str, address: str) -> Caller | None:
        """Return whose token this is and note its use from the address; None if it is not valid."""
        digest = hash_token(token)
        with self._guard:
            self._refresh()
            elapsed = self._mono_ms() - self._counted_at
            found: tuple[Client, Token] | None = None
            for client in self._clients.values():
                for candidate in live_tokens(client, elapsed):
                    # No early end: the time taken tells nothing about which token it was.
                    if hmac.compare_digest(candidate.hash, digest):
                        found = client, candidate
            if found is None:
                return None
            client, stored = found
            now = self._utc_ms()
            if address not in stored.last_used:
                self._urgent = True
            if abs(now - stored.last_used.get(address, 0)) >= STALE_USE_MS:
                self._used.setdefault(digest, {})[address] = now
                _note_use(stored, address, now)
                client.tokens = live_tokens(client, elapsed)
            return Caller(client.client_id, client.name, Scope(stored.scope), digest)

    def holds(self, token_hash: str) -> bool:
        """Whether a token that was right when its request began still is."""
        with self._guard:
            self._refresh()
            elapsed = self._mono_ms() - self._counted_at
            return any(
                token.hash == token_hash
                for client in self._clients.values()
                for token in live_tokens(client, elapsed)
            )

    def pair(self, client_id: str, client_name: str, scope: Scope) -> str:
        """Store a new token of the client durably, and return it: the only time it is seen.

        Raises TooManyClientsError, and SecretFileError if it cannot be stored.
        """
        token = secrets.token_urlsafe(32)
        with self._change() as clients:
            client = clients.get(client_id)
            if client is None:
                if len(clients) >= MAX_CLIENTS:
                    raise TooManyClientsError(
                        f"{MAX_CLIENTS} clients are paired, which is the most; remove one with "
                        "`smart-beer-edge clients revoke`"
                    )
                client = clients[client_id] = Client(client_id, client_name, [])
            elif client.tokens[-1].grace_ms is None:
                client.tokens[-1].grace_ms = GRACE_MS
            client.name = client_name
            client.tokens.append(Token(hash_token(token), scope.value, self._utc_ms()))
            del client.tokens[:-MAX_TOKENS]
        return token

    def revoke(self, client_id: str) -> bool:
        """Remove a client and all its tokens durably; False if there is none of that id.

        Raises SecretFileError if the change cannot be stored.
        """
        with self._change() as clients:
            return clients.pop(client_id, None) is not None

    def revoke_token(self, token_hash: str) -> None:
        """Remove one token durably, and its client with its last one.

        Raises SecretFileError if the change cannot be stored.
        """
        with self._change() as clients:
            for client in list(clients.values()):
                client.tokens = [token for token in client.tokens if token.hash != token_hash]
                if not client.tokens:
                    del clients[client.client_id]
                else:
                    client.tokens[-1].grace_ms = None

    def clients(self) -> list[dict[str, Any]]:
        """Who is paired, without any secret; `last_used` is by address."""
        with self._guard:
            self._refresh()
            return [
                {
                    "client_id": client.client_id,
                    "name": client.name,
                    "scope": client.tokens[-1].scope,
                    "created": client.tokens[-1].created,
                    "last_used": dict(client.tokens[-1].last_used),
                    "replaced_tokens": len(client.tokens) - 1,
                }
                for client in self._clients.values()
            ]

    @property
    def urgent(self) -> bool:
        """Whether a use from a new address waits to be written, which decides who is replaced."""
        return self._urgent

    def flush(self) -> None:
        """Write what was noted of uses, and what is left of graces; does nothing without either.

        Raises SecretFileError if it cannot be written; the notes are kept for the next call.
        """
        with self._guard:
            replaced = any(len(client.tokens) > 1 for client in self._clients.values())
            if not self._used and not replaced:
                return
        with self._change():
            pass  # every change writes the notes along

    def _refresh(self) -> None:
        """Read the file again if another process replaced it; a damaged one changes nothing."""
        current = signature(self._path)
        if current == self._signature:
            return
        try:
            self._clients = self._load(self._used)
        except SecretFileError as err:
            LOGGER.error("%s; the clients known before stay valid", err)  # noqa: TRY400
        self._signature = current
        self._counted_at = self._mono_ms()

    def _load(self, used: dict[str, dict[str, int]]) -> dict[str, Client]:
        """What the file holds, with these unwritten uses; SecretFileError if it is damaged."""
        content = read_json(self._path) or {"clients": []}
        try:
            clients = {
                entry["client_id"]: Client(
                    entry["client_id"],
                    entry["name"],
                    [Token(**token) for token in entry["tokens"]],
                )
                for entry in content["clients"]
                if entry["tokens"]
            }
        except (KeyError, TypeError) as err:
            raise SecretFileError(f"{self._path} is damaged: {err!r}") from err
        _apply(used, clients)
        return clients

    @contextmanager
    def _change(self) -> Iterator[dict[str, Client]]:
        """Read, let the caller change, and replace the file in one step under its lock.

        If the caller raises, or nothing can be written, nothing is changed in memory either.
        """
        with self._writing, locked(self._path):
            with self._guard:
                self._refresh()
                known = copy.deepcopy(self._clients)
                written = copy.deepcopy(self._used)
                counted_at = self._counted_at
            try:
                clients = self._load(written)
            except SecretFileError:
                clients = known
                move_aside(self._path, ".damaged")
            yield clients
            now = self._mono_ms()
            for client in clients.values():
                client.tokens = live_tokens(client, now - counted_at)
                for token in client.tokens:
                    if token.grace_ms is not None:
                        token.grace_ms -= now - counted_at
            write_json(
                self._path,
                {"version": 1, "clients": [asdict(client) for client in clients.values()]},
            )
            with self._guard:
                for digest, addresses in written.items():
                    for address, used in addresses.items():
                        if self._used[digest][address] == used:
                            del self._used[digest][address]
                    if not self._used[digest]:
                        del self._used[digest]
                _apply(self._used, clients)
                self._clients = clients
                self._signature = signature(self._path)
                self._counted_at = now
                self._urgent = bool(self._used)


def _apply(used: dict[str, dict[str, int]], clients: dict[str, Client]) -> None:
    """Note uses in these clients, and drop the tokens that have ended with them."""
    for client in clients.values():
        for token in client.tokens:
            for address, moment in used.get(token.hash, {}).items():
                _note_use(token, address, moment)
        client.tokens = live_tokens(client)


def _note_use(token: Token, address: str, used: int) -> None:
    """Remember the newest addresses of a token, the latest use last."""
    token.last_used.pop(address, None)
    token.last_used[address] = used
    while len(token.last_used) > MAX_ADDRESSES:
        del token.last_used[next(iter(token.last_used))]
