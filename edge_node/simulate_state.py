"""What a simulated brewery keeps in its folder: configurations, identities, clients, codes."""

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_node import identity
from edge_node.identity import Identity
from edge_node.pairing import new_code, pairing_line
from edge_node.secret_file import read_json, write_json
from edge_node.tokens import Scope, TokenStore

HOST = "127.0.0.1"
_held: list[socket.socket] = []


@dataclass(frozen=True, slots=True)
class SimulatedNode:
    """One node of the brewery: its files, port and standing pairing code."""

    identity: Identity
    config_path: Path
    code_path: Path
    port: int
    code: str

    @property
    def runtime_dir(self) -> Path:
        """The folder that the service manager would make for it in memory."""
        return self.config_path.parent / "run"

    @property
    def url(self) -> str:
        """Where its API is."""
        return f"https://{HOST}:{self.port}"

    @property
    def pairing_line(self) -> str:
        """A line that pairs any client any number of times."""
        return pairing_line(HOST, self.port, self.identity.fingerprint, self.code)


class SimulationState:
    """The folder of one simulated brewery; used again, it keeps identities, spools and tokens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._secrets_path = folder / "secrets.json"
        self._secrets: dict[str, Any] = read_json(self._secrets_path) or {
            "codes": {},
            "tokens": {},
        }

    def node(self, node_id: str, port: int, content: dict[str, Any]) -> SimulatedNode:
        """Write the files of a node with this configuration (without `node` and `api`)."""
        folder = self.folder / "nodes" / node_id
        data_dir = folder / "data"
        own = identity.create(node_id, data_dir)
        code: str = self._secrets["codes"].setdefault(node_id, new_code())
        code_path = data_dir / "standing_code"
        code_path.touch(mode=0o600)
        code_path.write_text(code, "ascii")
        config_path = folder / "config.yaml"
        mdns = content.pop("mdns")
        whole = {
            "node": {"id": node_id, "name": content.pop("name"), "data_dir": str(data_dir)},
            "api": {"bind": HOST, "port": port, "mdns": mdns},
            **content,
        }
        # JSON is YAML, too.
        config_path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", "utf-8")
        self._save()
        return SimulatedNode(own, config_path, code_path, port, code)

    def client(self, client_id: str, nodes: list[SimulatedNode]) -> dict[str, str]:
        """The tokens of a client on each node, with scope control; paired where it is not yet."""
        tokens: dict[str, str] = self._secrets["tokens"].setdefault(client_id, {})
        for node in nodes:
            node_id = node.identity.node_id
            store = TokenStore(node.identity.cert_path.parent.parent)
            if store.authenticate(tokens.get(node_id, ""), HOST) is None:
                tokens[node_id] = store.pair(client_id, f"Simulated {client_id}", Scope.CONTROL)
        self._save()
        return {node.identity.node_id: tokens[node.identity.node_id] for node in nodes}

    def _save(self) -> None:
        write_json(self._secrets_path, self._secrets)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 for servers of this process or its children, until this process ends.

    A server that sets SO_REUSEADDR, as asyncio's do, may listen there and come back. No outgoing
    connection of this machine gets one of them, not even while its server is away, and neither does
    anybody else who asks for a free port.
    """
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    for sock in sockets:
        sock.bind((HOST, 0))
        # Only now: with it before, the kernel might choose a port that another one holds like this.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _held.extend(sockets)
    return [sock.getsockname()[1] for sock in sockets]
