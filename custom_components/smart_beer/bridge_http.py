"""Calls of the HTTP API of the storage bridge that has registered itself."""

from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aiohttp import ClientError, ClientTimeout, ConnectionTimeoutError, hdrs
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.util.json import JSON_DECODE_EXCEPTIONS, json_loads
from yarl import URL

from .bridge import BRIDGE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

    from aiohttp import ClientResponse
    from homeassistant.core import HomeAssistant

    type Query = Sequence[tuple[str, str]]

BRIDGE_UNAVAILABLE: Final = "bridge_unavailable"
INVALID_RANGE: Final = "invalid_range"
NO_SUCH_BATCH: Final = "no_such_batch"

TIMEOUT: Final = ClientTimeout(total=30, connect=5)
# A file may take as long as it takes, but not stand still.
FILE_TIMEOUT: Final = ClientTimeout(total=None, connect=5, sock_read=30)
# 32 series of 5,000 points, four numbers each, are about 10 MB.
MAX_REPLY: Final = 16 * 1024 * 1024
_ANSWERED: Final = (HTTPStatus.OK, HTTPStatus.CREATED)


class BridgeError(Exception):
    """The bridge does not answer; `code` is `bridge_unavailable`, or says what the caller did."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


async def async_call(
    hass: HomeAssistant,
    path: str,
    query: Query = (),
    *,
    body: Mapping[str, Any] | None = None,
    refused: str = INVALID_RANGE,
) -> tuple[bytes, dict[str, Any]]:
    """One call of the bridge, a POST if it has a `body`: its reply as it came, and decoded.

    `path` is quoted. Raises BridgeError; `refused` is its code where the bridge answers 400.
    """
    async with _open(hass, path, query, TIMEOUT, body) as response:
        raw = await _whole(response)
    if response.status not in _ANSWERED:
        raise _failure(response.status, raw, refused)
    reply = _decoded(raw)
    if not isinstance(reply, dict):
        raise BridgeError(BRIDGE_UNAVAILABLE, f"The storage bridge's reply to {path} is no object.")
    return raw, reply


async def async_file(
    hass: HomeAssistant, path: str, query: Query, *, refused: str
) -> AsyncGenerator[bytes]:
    """A file of the bridge as it comes, however long; raises BridgeError, also half-way."""
    async with _open(hass, path, query, FILE_TIMEOUT) as response:
        if response.status not in _ANSWERED:
            raise _failure(response.status, await _whole(response), refused)
        async for chunk in response.content.iter_any():
            yield chunk


async def _whole(response: ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_REPLY:
            raise BridgeError(
                BRIDGE_UNAVAILABLE,
                f"The storage bridge's reply is larger than {MAX_REPLY} bytes; "
                "ask for fewer series or points.",
            )
    return bytes(body)


def _failure(status: int, raw: bytes, refused: str) -> BridgeError:
    """What a reply that is no answer means."""
    error = _error(_decoded(raw))
    reason = str(error.get("message") or "it gives no reason").rstrip(".")
    if status == HTTPStatus.BAD_REQUEST:
        return BridgeError(refused, f"The storage bridge refuses: {reason}.")
    if status == HTTPStatus.NOT_FOUND and error.get("code") == NO_SUCH_BATCH:
        return BridgeError(NO_SUCH_BATCH, f"{reason}.")
    return BridgeError(BRIDGE_UNAVAILABLE, f"The storage bridge fails ({status}): {reason}.")


def _decoded(raw: bytes) -> object:
    try:
        return json_loads(raw)
    except JSON_DECODE_EXCEPTIONS:
        return None


def _error(reply: object) -> dict[str, Any]:
    """What the bridge's error reply says."""
    error = reply.get("error") if isinstance(reply, dict) else None
    return error if isinstance(error, dict) else {}


@asynccontextmanager
async def _open(
    hass: HomeAssistant,
    path: str,
    query: Query,
    timeout: ClientTimeout,
    body: Mapping[str, Any] | None = None,
) -> AsyncIterator[ClientResponse]:
    if (registration := hass.data.get(BRIDGE)) is None:
        raise BridgeError(
            BRIDGE_UNAVAILABLE,
            "No storage bridge is connected; start smart-beer-bridge, or connect one in the "
            "options of the brewery.",
        )
    try:
        async with async_get_clientsession(hass).request(
            hdrs.METH_GET if body is None else hdrs.METH_POST,
            URL(f"{registration.url}{path}", encoded=True),
            params=query,
            json=body,
            headers={hdrs.AUTHORIZATION: f"Bearer {registration.secret}"},
            timeout=timeout,
            allow_redirects=False,  # the secret is for this address alone
        ) as response:
            yield response
    except ConnectionTimeoutError as err:
        raise BridgeError(
            BRIDGE_UNAVAILABLE,
            f"The storage bridge cannot be reached within {timeout.connect:g} s.",
        ) from err
    except TimeoutError as err:
        limit = timeout.total or timeout.sock_read
        raise BridgeError(
            BRIDGE_UNAVAILABLE, f"The storage bridge did not answer within {limit:g} s."
        ) from err
    except ClientError as err:
        raise BridgeError(
            BRIDGE_UNAVAILABLE, f"The storage bridge cannot be reached: {type(err).__name__}."
        ) from err
