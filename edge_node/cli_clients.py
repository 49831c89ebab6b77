"""Commands about clients: `pair` lets one in, `clients` lists and revokes them.

Both work beside the running node, through its data folder. They raise ConfigError, IdentityError
and SecretFileError.
"""

from __future__ import annotations

import datetime as dt
import json
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import segno

from edge_node import config, identity
from edge_node.pairing import WINDOW_MS, Closed, PairingWindow, pairing_line
from edge_node.tokens import TokenStore

if TYPE_CHECKING:
    import argparse

POLL_S = 0.5


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `pair` and `clients`; `func` takes the arguments and returns a status."""
    pair = subparsers.add_parser("pair", help="let a client in, for two minutes")
    add_config(pair)
    pair.add_argument("--host", help="how clients reach this node; found out unless given")
    pair.add_argument("--port", type=int, help="the node's port, if not that of the config")
    pair.add_argument("--no-qr", action="store_true", help="print the line only")
    pair.add_argument("--no-wait", action="store_true", help="do not wait for the client")
    pair.set_defaults(func=run_pair)

    clients = subparsers.add_parser("clients", help="who is paired; revoke a client")
    clients.add_argument("action", nargs="?", choices=("list", "revoke"), default="list")
    clients.add_argument("client_id", nargs="?", help="whom to revoke")
    add_config(clients)
    clients.add_argument("--json", action="store_true", help="for programs")
    clients.set_defaults(func=run_clients)


def run_pair(arguments: argparse.Namespace) -> int:
    """Open the window, show line and code, and wait for the client or the end of the window."""
    node = config.load(arguments.config)
    own = identity.load(node.node_id, node.data_dir)
    port = arguments.port or node.api.port
    if not port:
        return _fail(f"{arguments.config}: api.port is 0, so give the node's port with --port")
    window = PairingWindow(node.data_dir)
    code = window.open()
    line = pairing_line(arguments.host or own_host(node.api.bind), port, own.fingerprint, code)
    print(f"Paste this into Home Assistant within {WINDOW_MS // 60_000} minutes:\n\n{line}\n")
    if not arguments.no_qr:
        segno.make(line, error="l").terminal(sys.stdout, compact=True)
    sys.stdout.flush()
    return 0 if arguments.no_wait else _wait(window, node.node_id)


def _wait(window: PairingWindow, node_id: str) -> int:
    try:
        while (closed := window.closed()) is None:
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        window.close()
        print("The window is closed.")
        return 130
    match closed:
        case Closed.USED:
            print(f"Paired with {window.client()}.")
            return 0
        case Closed.WRONG_CODES:
            return _fail("Five wrong codes came in, so the window is closed. Run this again.")
        case _:
            return _fail(
                f"The window is closed and nobody paired. If the client could not reach node "
                f"{node_id}: is it running, and is the address in the line right (--host)?"
            )


def run_clients(arguments: argparse.Namespace) -> int:
    """List the paired clients, or revoke one: the running node refuses its next request."""
    if (arguments.action == "revoke") != (arguments.client_id is not None):
        return _fail("Say whom to revoke: `smart-beer-edge clients revoke CLIENT_ID`.")
    store = TokenStore(config.load(arguments.config).data_dir)
    if arguments.action == "revoke":
        return _revoke(store, arguments.client_id)
    clients = store.clients()
    if arguments.json:
        print(json.dumps({"clients": clients}))
        return 0
    if not clients:
        print("No client is paired. Let one in with `smart-beer-edge pair`.")
        return 0
    for client in clients:
        print(f"{client['client_id']}  {client['name']}")
        print(f"    scope {client['scope']}, paired {_utc(client['created'])}")
        for address, used in client["last_used"].items():
            print(f"    last used from {address} {_utc(used)}")
        if client["replaced_tokens"]:
            print(f"    {client['replaced_tokens']} replaced token(s) still valid")
    return 0


def _revoke(store: TokenStore, client_id: str) -> int:
    if store.revoke(client_id):
        print(f"Client {client_id} is revoked.")
        return 0
    known = ", ".join(client["client_id"] for client in store.clients()) or "none"
    return _fail(f"No client {client_id} is paired. Paired are: {known}.")


def own_host(bind: str) -> str:
    """How others reach this machine: `bind` if it is one address, else that of the default route.

    The host's name where there is no route.
    """
    if bind not in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        return bind
    # Connecting a datagram socket sends nothing; it only asks the kernel which address it would
    # send from. The targets are reserved for documentation and reached by the default route.
    for family, target in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.connect((target, 9))
                return str(sock.getsockname()[0])
        except OSError:
            continue
    return socket.gethostname()


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add `--config`, which is the usual place unless given."""
    parser.add_argument(
        "--config",
        type=Path,
        default=config.DEFAULT_CONFIG,
        metavar="FILE",
        help=f"{config.DEFAULT_CONFIG} unless given",
    )


def _utc(milliseconds: int) -> str:
    moment = dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _fail(message: str) -> int:
    print(message, file=sys.stderr)
    return 1
