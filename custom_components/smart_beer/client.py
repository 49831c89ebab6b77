"""Client of one node's REST API. Knows nothing of Home Assistant; the session is injected."""

import asyncio
import hashlib
import ssl
from typing import TYPE_CHECKING, Any

from .exceptions import (
    FingerprintMismatchError,
    NodeAuthError,
    NodeConnectionError,
    NodeResponseError,
    NodeTimeoutError,
    PairingRefusedError,
    StreamUnsupportedError,
    UnsupportedApiError,
)
from .models import (
    API_NEWEST,
    API_OLDEST,
    Identity,
    NodeInfo,
    NodeState,
    PairedNode,
    SamplesPage,
)
from .node_http import NodeHttp

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from aiohttp import ClientSession

    from .pairing import PairingLine

_CONNECT_TIMEOUT = 10.0  # seconds
_HEARTBEAT_S = 15.0  # a node says at least this often that a stream of events lives
_NDJSON = "application/x-ndjson"


class SmartBeerClient(NodeHttp):
    """One node at one address, its certificate pinned to `fingerprint` (64 hex digits).

    Every call raises NodeConnectionError (NodeTimeoutError, FingerprintMismatchError),
    NodeAuthError or NodeResponseError. `request_timeout` is in seconds, on top of any `wait`.
    """

    async def identity(self) -> Identity:
        """Who the node is (`GET /v1/identity`); needs no token."""
        return self._parse(Identity.parse, await self._request("GET", "/v1/identity"))

    async def node(self) -> NodeInfo:
        """What the node is and has; UnsupportedApiError when its API version is not ours."""
        data = await self._request("GET", "/v1/node")
        api = data.get("api")
        if type(api) is not int or not API_OLDEST <= api <= API_NEWEST:
            number = api if type(api) is int else 0
            raise UnsupportedApiError(
                f"{self._where} speaks API version {number}; this integration speaks "
                f"{API_OLDEST} to {API_NEWEST}",
                api=number,
                too_new=number > API_NEWEST,
            )
        return self._parse(NodeInfo.parse, data)

    async def state(self) -> NodeState:
        """The newest readings, alarms and health of the node."""
        return self._parse(NodeState.parse, await self._request("GET", "/v1/state"))

    async def samples(
        self, *, after: int = 0, spool_id: str | None = None, limit: int = 1000, wait: float = 0
    ) -> SamplesPage:
        """At most `limit` (1-10,000) samples after the cursor; waits up to `wait` s (0-30) for one.

        Raises OtherSpoolError when `spool_id` is not the node's, or `after` is beyond its end.
        """
        params = _cursor(after, spool_id, limit=limit, wait=wait)
        data = await self._request("GET", "/v1/samples", params=params, limit=self._timeout + wait)
        return self._page(data, after)

    async def stream(
        self, *, after: int, spool_id: str | None, wait: float = 15
    ) -> AsyncGenerator[SamplesPage]:
        """Pages as they come, on one call; ends when the node ends it (it does every 10 minutes).

        An empty page comes at least every `wait` seconds; silence beyond that and the request
        timeout is a NodeTimeoutError. StreamUnsupportedError: poll instead.
        """
        params = _cursor(after, spool_id, wait=wait, stream=1)
        silence = wait + self._timeout
        async with self._open("GET", "/v1/samples", silence, params=params) as response:
            if response.status == 400 or (
                response.status == 200 and response.content_type != _NDJSON
            ):
                raise StreamUnsupportedError(
                    response.status, "no_stream", f"{self._where} does not stream samples"
                )
            if response.status != 200:
                self._refuse(response, await self._read(response, self._timeout))
            cursor = after
            async for line in self._lines(response):
                page = self._page(self._decode(response, line), cursor)
                cursor = page.next
                yield page

    async def set_clock(self, utc_ms: int) -> None:
        """Tell a node that does not know the time what time it is; 409 once it knows."""
        await self._request("PUT", "/v1/clock", body={"utc_ms": utc_ms})

    async def redeem(self, *, code: str, client_name: str, client_id: str, scope: str) -> str:
        """Turn a one-time pairing code into a token (`POST /v1/pair`)."""
        data = await self._request(
            "POST",
            "/v1/pair",
            body={
                "code": code,
                "client_name": client_name,
                "client_id": client_id,
                "scope": scope,
            },
        )
        token = data.get("token")
        if not isinstance(token, str) or not token:
            raise NodeResponseError(201, "malformed", f"{self._where} gave no token")
        return token

    async def unpair(self) -> None:
        """Revoke the token this client uses (`DELETE /v1/pair`)."""
        await self._request("DELETE", "/v1/pair")

    async def events(self) -> AsyncGenerator[tuple[str, dict[str, Any]]]:
        """`("state", everything but channels)` once, then `("change", parts of it)` as they come.

        NodeResponseError 400 or 404 if the node cannot do that: ask for the state now and then.
        """
        silence = _HEARTBEAT_S + self._timeout
        async with self._open("GET", "/v1/events", silence, params={"channels": "0"}) as response:
            if response.status != 200:
                self._refuse(response, await self._read(response, self._timeout))
            name = ""
            async for line in self._lines(response):
                key, _, value = line.partition(b": ")
                if key == b"event":
                    name = value.decode(errors="replace")
                elif key == b"data":
                    yield name, self._decode(response, value)

    async def lease(
        self, ask: str, kettle_id: str, body: Mapping[str, Any] | None, *, limit: float
    ) -> dict[str, Any]:
        """What the node answers about a kettle's lease, a refusal too; its HTTP status as `status`.

        `ask`: status, acquire, renew or release. `limit` is in seconds.
        """
        if ask == "status":
            params = {"kettle_id": kettle_id}
            return await self._request(
                "GET", "/v1/lease", params=params, limit=limit, refusals=True
            )
        return await self._request(
            "POST", f"/v1/lease/{ask}", body=body, limit=limit, refusals=True
        )

    async def command(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any],
        *,
        limit: float,
        fresh: bool = False,
    ) -> dict[str, Any]:
        """What the node answers to a command within `limit` seconds; NodeResponseError: refused.

        `fresh`: on a connection of its own.
        """
        return await self._request(method, path, body=body, limit=limit, fresh=fresh)

    async def safe(self, kettle_id: str | None = None, *, limit: float) -> None:
        """All heat off now and latched, of this kettle or of all, on a connection of its own."""
        body = {} if kettle_id is None else {"kettle_id": kettle_id}
        await self._request("PUT", "/v1/safe", body=body, limit=limit, fresh=True)

    def _page(self, data: dict[str, Any], after: int) -> SamplesPage:
        return self._parse(lambda reply: SamplesPage.parse(reply, after=after), data)


def _cursor(after: int, spool_id: str | None, **more: float) -> dict[str, str]:
    params = {"after": str(after)} | {key: f"{value:g}" for key, value in more.items()}
    if spool_id is not None:
        params["spool"] = spool_id
    return params


async def probe_identity(session: ClientSession, host: str, port: int) -> Identity:
    """Who answers at an address that nothing is known of yet, without sending any secret.

    The identity is believed only if the fingerprint in it is that of the certificate the node
    shows. Raises NodeConnectionError (FingerprintMismatchError when the two differ) and
    NodeResponseError.
    """
    seen = await _certificate_fingerprint(host, port)
    identity = await SmartBeerClient(
        session, host=host, port=port, fingerprint=seen, token=None
    ).identity()
    if identity.fingerprint != seen:
        raise FingerprintMismatchError(
            f"{host}:{port} shows a certificate that is not the one it claims as its own."
        )
    return identity


async def pair(
    session: ClientSession,
    line: PairingLine,
    *,
    client_name: str,
    client_id: str,
    scope: str = "control",
) -> PairedNode:
    """Redeem a pairing line for a token.

    Raises NodeConnectionError, FingerprintMismatchError (another machine answers there),
    PairingRefusedError (wrong code, or the window is closed) and NodeResponseError.
    """
    identity = await probe_identity(session, line.host, line.port)
    if identity.fingerprint[: len(line.prefix)] != line.prefix:
        raise FingerprintMismatchError(
            f"The machine at {line.host}:{line.port} is not the one that printed the line."
        )
    client = SmartBeerClient(
        session, host=line.host, port=line.port, fingerprint=identity.fingerprint, token=None
    )
    try:
        token = await client.redeem(
            code=line.code, client_name=client_name, client_id=client_id, scope=scope
        )
    except NodeAuthError as err:
        raise PairingRefusedError(str(err), code="unauthorized") from err
    except NodeResponseError as err:
        if 400 <= err.status < 500:
            raise PairingRefusedError(err.message, code=err.code) from err
        raise
    return PairedNode(identity=identity, token=token, host=line.host, port=line.port)


async def _certificate_fingerprint(host: str, port: int) -> str:
    """SHA-256 of the certificate shown at an address, 64 lowercase hex digits."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # self-signed; the caller compares the fingerprint
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except TimeoutError as err:
        raise NodeTimeoutError(f"{host}:{port} did not answer.") from err
    except (OSError, UnicodeError) as err:
        raise NodeConnectionError(f"{host}:{port} cannot be reached: {err}") from err
    try:
        tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True)
    finally:
        writer.transport.abort()
    if certificate is None:
        raise NodeConnectionError(f"{host}:{port} shows no certificate.")
    return hashlib.sha256(certificate).hexdigest()
