"""A stranger with a token: the calls of the API by hand, over TLS whose certificate is pinned."""

import hashlib
import http.client
import json
import ssl
import time
import uuid
from typing import Any
from urllib.parse import urlsplit


class PlainClient:
    """One server's side of a node's lease and commands."""

    def __init__(
        self,
        url: str,
        token: str,
        fingerprint: str,
        *,
        kettle: str = "mash-tun",
        server: str = "server-a",
        timeout: float = 10,
    ) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._address = (parts.hostname, parts.port)
        self._token = token
        self._fingerprint = fingerprint
        self._timeout = timeout  # seconds, for each step of a request
        self.kettle = kettle
        self.who: dict[str, Any] = {"server_id": server, "session": uuid.uuid4().hex, "epoch": 1}
        self.stamp: dict[str, Any] = {}
        self.seq = 0
        self.renewed = 0.0  # monotonic seconds when the last good renewal was sent

    def call(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """One request on a connection of its own; OSError where nobody answers."""
        connection = self._connect()
        try:
            return self._exchange(connection, method, path, body)
        finally:
            connection.close()

    def _connect(self) -> http.client.HTTPSConnection:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the pin is the check
        connection = http.client.HTTPSConnection(
            *self._address, context=context, timeout=self._timeout
        )
        connection.connect()
        assert isinstance(connection.sock, ssl.SSLSocket)
        certificate = connection.sock.getpeercert(binary_form=True)
        assert certificate is not None
        assert hashlib.sha256(certificate).hexdigest() == self._fingerprint
        return connection

    def _exchange(
        self,
        connection: http.client.HTTPSConnection,
        method: str,
        path: str,
        body: dict[str, Any] | None,
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self._token}"}
        text = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            text = json.dumps(body)
        try:
            connection.request(method, path, text, headers)
            response = connection.getresponse()
            content = json.loads(response.read())
        except http.client.HTTPException as err:
            raise ConnectionError(f"half an answer: {err!r}") from err
        if "boot_id" in content:
            self.stamp = {"boot_id": content["boot_id"], "mono_ms": content["mono_ms"]}
        return response.status, content

    def get(self, path: str) -> dict[str, Any]:
        """A good answer."""
        status, content = self.call("GET", path)
        assert status == 200, content
        return content

    def state(self) -> dict[str, Any]:
        return self.get("/v1/state")

    def lease(self, verb: str, **more: Any) -> tuple[int, dict[str, Any]]:
        body = {"kettle_id": self.kettle, **self.who, **more}
        if verb != "release":
            body["echo"] = self.stamp
        return self.call("POST", f"/v1/lease/{verb}", body)

    def acquire(self, *, limit_s: float = 60) -> None:
        """Take the lease: above what was promised, after the quarantine."""
        deadline = time.monotonic() + limit_s
        while True:
            try:
                promised = self.get(f"/v1/lease?kettle_id={self.kettle}")["promised_epoch"]
                self.who["epoch"] = (promised or 0) + 1
                sent = time.monotonic()
                status, content = self.lease("acquire")
                if status == 200:
                    self.seq, self.renewed = 0, sent
                    return
            except OSError as err:
                content = {"error": repr(err)}
            assert time.monotonic() < deadline, content
            time.sleep(0.2)

    def renew(self, **more: Any) -> tuple[int, dict[str, Any]]:
        sent = time.monotonic()
        status, content = self.lease("renew", **more)
        if status == 200:
            self.renewed = sent
        return status, content

    def header(self, **more: Any) -> dict[str, Any]:
        """What every command carries; `more` replaces parts of it."""
        self.seq += 1
        return {
            **self.who,
            "boot_id": self.stamp["boot_id"],
            "seq": self.seq,
            "not_after_ms": self.stamp["mono_ms"] + 2000,
            "cmd_id": uuid.uuid4().hex,
            **more,
        }

    def command(
        self, method: str, path: str, body: dict[str, Any], **header: Any
    ) -> tuple[int, dict[str, Any]]:
        """A command under the lease, its stamp fresh."""
        if not header:
            self.get(f"/v1/lease?kettle_id={self.kettle}")
        return self.call(method, path, {**self.header(**header), **body})

    def switch(self, output: str, on: bool, **header: Any) -> tuple[int, dict[str, Any]]:
        body: dict[str, Any] = {"state": on}
        if on:
            body["max_on_s"] = 600
        return self.command("PUT", f"/v1/actuators/{output}", body, **header)


class SteadyClient(PlainClient):
    """The same on one connection, for many calls a second; one thread at a time."""

    _connection: http.client.HTTPSConnection | None = None

    def call(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """One request; after an OSError, and after a while of silence, on a new connection."""
        if self._connection is None:
            self._connection = self._connect()
        try:
            return self._exchange(self._connection, method, path, body)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
