"""Client of one node's REST API. Knows nothing of Home Assistant; the session is injected."""

import asyncio
import hashlib
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import orjson
from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    Fingerprint,
    ServerFingerprintMismatch,
)
from yarl import URL

from .exceptions import (
    FingerprintMismatchError,
    NodeAuthError,
    NodeConnectionError,
    NodeResponseError,
    NodeTimeoutError,
    OtherSpoolError,
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

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

    from .pairing import PairingLine

_CONNECT_TIMEOUT = 10.0  # seconds
# A page of 10,000 samples is about 0.7 MB. What is larger is no page of ours.
MAX_REPLY = 4 * 1024 * 1024
_NDJSON = "application/x-ndjson"


class SmartBeerClient:
    """One node at one address, its certificate pinned to `fingerprint` (64 hex digits).

    Every call raises NodeConnectionError (NodeTimeoutError, FingerprintMismatchError),
    NodeAuthError or NodeResponseError. `request_timeout` is in seconds, on top of any `wait`.
    """

    def __init__(
        self,
        session: ClientSession,
        *,
        host: str,
        port: int,
        fingerprint: str,
        token: str | None,
        request_timeout: float = 10,
    ) -> None:
        self.host = host
        self.port = port
        self.fingerprint = fingerprint
        self._session = session
        self._token = token
        self._timeout = request_timeout
        # One object for all requests: aiohttp keeps connections apart by its identity.
        self._pin = Fingerprint(bytes.fromhex(fingerprint))

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
        data = await self._request("GET", "/v1/samples", params=params, patience=wait)
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

    @property
    def _where(self) -> str:
        return f"{self.host}:{self.port}"

    async def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        patience: float = 0,
    ) -> dict[str, Any]:
        """One call; `patience` is what the node may take on top of the request timeout, in s."""
        limit = self._timeout + patience
        try:
            async with (
                asyncio.timeout(limit),
                self._open(method, path, limit, params=params, body=body) as response,
            ):
                raw = await self._read(response, limit)
                if not 200 <= response.status < 300:
                    self._refuse(response, raw)
                return self._decode(response, raw)
        except TimeoutError as err:
            raise NodeTimeoutError(
                f"{self._where} did not answer {method} {path} within {limit:g} s"
            ) from err

    @asynccontextmanager
    async def _open(
        self,
        method: str,
        path: str,
        silence: float,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[ClientResponse]:
        """A pinned response, whatever its status; failures of the connection are mapped here.

        `silence` is how long nothing may come, in seconds.
        """
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            async with self._session.request(
                method,
                URL.build(scheme="https", host=self.host, port=self.port, path=path),
                params=params,
                json=body,
                headers=headers,
                ssl=self._pin,
                allow_redirects=False,  # a redirect would carry the token elsewhere
                timeout=ClientTimeout(total=None, connect=self._timeout, sock_read=silence),
            ) as response:
                yield response
        except ServerFingerprintMismatch as err:
            raise FingerprintMismatchError(
                f"{self._where} shows a certificate that is not the pinned one"
            ) from err
        except TimeoutError as err:
            raise NodeTimeoutError(f"{self._where} did not answer {method} {path}") from err
        except (ClientError, OSError, ValueError) as err:
            # ValueError: a host that is no host, a reply that is no HTTP
            raise NodeConnectionError(f"{self._where}: {method} {path} failed: {err}") from err

    async def _read(self, response: ClientResponse, limit: float) -> bytes:
        """The whole body, at most MAX_REPLY bytes, within `limit` seconds."""
        chunks: list[bytes] = []
        size = 0
        async with asyncio.timeout(limit):
            async for chunk in response.content.iter_any():
                size += len(chunk)
                if size > MAX_REPLY:
                    self._malformed(response, f"answered with more than {MAX_REPLY} bytes")
                chunks.append(chunk)
        return b"".join(chunks)

    async def _lines(self, response: ClientResponse) -> AsyncIterator[bytes]:
        """The lines of a body as they come, each at most MAX_REPLY bytes."""
        rest = b""
        async for chunk in response.content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > MAX_REPLY or any(len(line) > MAX_REPLY for line in lines):
                self._malformed(response, f"streamed a line of more than {MAX_REPLY} bytes")
            for line in lines:
                if line.strip():
                    yield line
        # A last line without its end was cut off: the cursor has not moved, it comes again.

    def _decode(self, response: ClientResponse, raw: bytes) -> dict[str, Any]:
        """A body as a JSON object."""
        try:
            data = orjson.loads(raw)
        except (ValueError, RecursionError) as err:
            raise NodeResponseError(
                response.status, "malformed", f"{self._where} answered with no JSON"
            ) from err
        if not isinstance(data, dict):
            self._malformed(response, "answered with JSON that is no object")
        return data

    def _parse[T](self, parse: Callable[[dict[str, Any]], T], data: dict[str, Any]) -> T:
        try:
            return parse(data)
        except ValueError as err:
            raise NodeResponseError(
                200, "malformed", f"{self._where} answered with something unexpected: {err}"
            ) from err

    def _page(self, data: dict[str, Any], after: int) -> SamplesPage:
        return self._parse(lambda reply: SamplesPage.parse(reply, after=after), data)

    def _malformed(self, response: ClientResponse, what: str) -> NoReturn:
        raise NodeResponseError(response.status, "malformed", f"{self._where} {what}")

    def _refuse(self, response: ClientResponse, raw: bytes) -> NoReturn:
        """Raise what an error reply stands for."""
        error: Any = None
        if response.content_type == "application/json":
            error = self._decode(response, raw).get("error")
        if not isinstance(error, dict):
            error = {}
        code = str(error.get("code", "unknown"))
        message = str(error.get("message", f"{self._where} answered {response.status}"))[:500]
        detail = error.get("detail")
        if not isinstance(detail, dict):
            detail = {}
        if response.status == 401:
            raise NodeAuthError(message)
        if response.status == 409 and code == "other_spool":
            raise OtherSpoolError(str(detail.get("spool_id", "")), message, detail)
        raise NodeResponseError(response.status, code, message, detail)


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
