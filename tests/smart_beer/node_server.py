"""A node as far as flows meet one: TLS with its own certificate, identity, pairing, `/v1/node`."""

import hashlib
import ssl
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


@dataclass
class NodeServer:
    """What the node says and whom it knows; change it while it runs."""

    node_id: str
    name: str
    fingerprint: str
    port: int = 0
    host: str = "127.0.0.1"
    api: int = 1
    code: str | None = "k7Qm2x"  # of the open pairing window; None: no window is open
    clients: dict[str, dict[str, Any]] = field(default_factory=dict)  # by token
    broken: bool = False  # answers 500 to everything
    before_paired: Callable[[], Awaitable[None]] | None = (
        None  # awaited before a pairing is answered
    )
    paths: list[str] = field(default_factory=list)  # asked for, in order

    @property
    def line(self) -> str:
        """The pairing line it prints."""
        return self.line_for(f"{self.host}:{self.port}")

    def line_for(self, address: str, *, code: str | None = None) -> str:
        """The pairing line with another address or code in it."""
        return f"SB1-{address}-{self.fingerprint[:32]}-{code or self.code or 'k7Qm2x'}"

    def know(self, token: str) -> None:
        """Accept the token, as of a client paired earlier."""
        self.clients[token] = {"client_id": "earlier"}

    def app(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application()
        app.router.add_get("/v1/identity", self._identity)
        app.router.add_get("/v1/node", self._node)
        app.router.add_post("/v1/pair", self._pair)
        return app

    def _reply(self, body: dict[str, Any], status: int = 200) -> web.Response:
        return web.json_response({**body, "boot_id": "b" * 32, "mono_ms": 4711}, status=status)

    def _refuse(self, status: int, code: str) -> web.Response:
        return self._reply({"error": {"code": code, "message": code, "detail": {}}}, status)

    def _whoami(self) -> dict[str, Any]:
        return {
            "node_id": self.node_id,
            "name": self.name,
            "kettles": [{"kettle_id": "mash-tun", "kettle_name": "Mash tun"}],
            "model": "Raspberry Pi 4",
            "version": "0.1.0",
            "fingerprint": self.fingerprint,
            "pairing": self.code is not None,
            "api": self.api,
        }

    async def _identity(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        if self.broken:
            return self._refuse(500, "broken")
        return self._reply(self._whoami())

    def _turned_away(self, request: web.Request) -> web.Response | None:
        """The answer to a caller that gets nothing, else None."""
        self.paths.append(request.path)
        if self.broken:
            return self._refuse(500, "broken")
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.clients:
            return self._refuse(401, "unauthorized")
        return None

    async def _node(self, request: web.Request) -> web.Response:
        return self._turned_away(request) or self._reply(
            {
                **self._whoami(),
                "config_digest": "d" * 64,
                "versions": {"smart_beer": "0.1.0"},
                "channels": [],
                "actuators": [],
                "spool": {"spool_id": "s1", "first_seq": 1, "last_seq": 0, "holes": []},
                "clock": {"known": True, "source": "kernel", "steps": 0},
            }
        )

    async def _pair(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        body = await request.json()
        if set(body) != {"code", "client_name", "client_id", "scope"}:
            return self._refuse(400, "invalid_body")
        if self.code is None:
            return self._refuse(403, "no_window")
        if body["code"] != self.code:
            return self._refuse(403, "wrong_code")
        if self.before_paired is not None:
            await self.before_paired()
        self.code = None
        token = f"token-{self.node_id}-{len(self.clients)}"
        self.clients[token] = body
        return self._reply(
            {"token": token, "scope": body["scope"], "fingerprint": self.fingerprint}, 201
        )


def make_certificate(folder: Path) -> tuple[str, ssl.SSLContext]:
    """A new self-signed EC P-256 certificate: its SHA-256 in hex, and a server context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "node")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "node.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    der = certificate.public_bytes(serialization.Encoding.DER)
    return hashlib.sha256(der).hexdigest(), context


@asynccontextmanager
async def running_node(
    node_id: str = "mash-a", name: str = "Mash tun A"
) -> AsyncIterator[NodeServer]:
    """A node that answers on 127.0.0.1 until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        fingerprint, context = make_certificate(Path(folder))
        node = NodeServer(node_id, name, fingerprint)
        runner = web.AppRunner(node.app(), shutdown_timeout=1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, node.host, 0, ssl_context=context)
            await site.start()
            node.port = runner.addresses[0][1]
            yield node
        finally:
            await runner.cleanup()
