"""HTTPS to one node: pinned, bounded and timed. Knows nothing of Home Assistant."""

import asyncio
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
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

# A page of 10,000 samples is about 0.7 MB. What is larger is no page of ours.
MAX_REPLY = 4 * 1024 * 1024


class NodeHttp:
    """One node at one address, its certificate pinned to `fingerprint` (64 hex digits).

    Every request raises NodeConnectionError (NodeTimeoutError, FingerprintMismatchError),
    NodeAuthError or NodeResponseError. `request_timeout` is in seconds.
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
        self._pin = self._new_pin()

    def _new_pin(self) -> Fingerprint:
        return Fingerprint(bytes.fromhex(self.fingerprint))

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
        limit: float | None = None,
        refusals: bool = False,
        fresh: bool = False,
    ) -> dict[str, Any]:
        """One call, within `limit` seconds (the request timeout).

        `refusals`: a refusal of what was asked, with its `status` beside the content, is an answer
        like any other; no answer (401) is still raised. `fresh`: on a connection of its own, for
        one that is kept open may be dead without anybody knowing.
        """
        limit = self._timeout if limit is None else limit
        try:
            async with (
                asyncio.timeout(limit),
                self._open(method, path, limit, params=params, body=body, fresh=fresh) as response,
            ):
                raw = await self._read(response, limit)
                if refusals and response.status != 401:
                    return {**self._decode(response, raw), "status": response.status}
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
        fresh: bool = False,
    ) -> AsyncIterator[ClientResponse]:
        """A pinned response, whatever its status; failures of the connection are mapped here.

        `silence` is how long nothing may come, in seconds.
        """
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        if fresh:
            headers["Connection"] = "close"
        try:
            async with self._session.request(
                method,
                URL.build(scheme="https", host=self.host, port=self.port, path=path),
                params=params,
                json=body,
                headers=headers,
                ssl=self._new_pin() if fresh else self._pin,
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
