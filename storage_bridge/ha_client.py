"""A websocket client of Home Assistant: log in, call commands, receive what comes."""

import asyncio
from collections import deque
from typing import Any, Final, Self

import aiohttp
import orjson

MAX_MESSAGE: Final = 16 << 20  # bytes; Home Assistant sends whole histories in one message
CALL_S: Final = 15.0


class HomeAssistantClientError(Exception):
    """Home Assistant cannot be used now; the text says why and what to do."""


class CannotConnectError(HomeAssistantClientError):
    """No connection, or it ended."""


class InvalidTokenError(HomeAssistantClientError):
    """Home Assistant refuses the token."""


class CommandError(HomeAssistantClientError):
    """Home Assistant answered a command with an error."""

    def __init__(self, command: str, code: str, message: str) -> None:
        super().__init__(f"Home Assistant refused `{command}`: {message} ({code})")
        self.code = code


class UnknownCommandError(CommandError):
    """Home Assistant does not know the command: the integration is not loaded."""

    def __init__(self, command: str) -> None:
        super().__init__(command, "unknown_command", "it does not know this command")
        text = f"Home Assistant does not know `{command}`: the Smart Beer integration is not loaded"
        self.args = (f"{text} there; install it, or wait until Home Assistant has started",)


class HomeAssistantClient:
    """One logged-in connection; `async with` opens and closes it.

    `url` is the websocket's (`ws://host:8123/api/websocket`). `heartbeat` seconds without an
    answer to a ping end a connection whose other side has silently gone. Raises
    CannotConnectError or InvalidTokenError on entry.
    """

    def __init__(
        self, session: aiohttp.ClientSession, url: str, token: str, *, heartbeat: float = 20.0
    ) -> None:
        self._session = session
        self._url = url
        self._token = token
        self._heartbeat = heartbeat
        self._last_id = 0
        self._aside: deque[tuple[bytes, Any]] = deque()
        self._socket: aiohttp.ClientWebSocketResponse[bool]

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(CALL_S):
                self._socket = await self._session.ws_connect(
                    self._url,
                    max_msg_size=MAX_MESSAGE,
                    heartbeat=self._heartbeat,
                    decode_text=False,
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as err:
            reason = str(err) or type(err).__name__
            raise CannotConnectError(f"No connection to {self._url}: {reason}") from err
        try:
            await self._log_in()
        except BaseException:
            await self._socket.close()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._socket.close()

    async def send(self, command: str, **fields: object) -> int:
        """Send a command without waiting; its id."""
        self._last_id += 1
        await self._send({"id": self._last_id, "type": command, **fields})
        return self._last_id

    async def call(self, command: str, **fields: object) -> tuple[int, Any]:
        """Send a command and wait for its result: `(id, result)`; raises CommandError.

        What else arrives meanwhile is kept for `receive`.
        """
        sent = await self.send(command, **fields)
        try:
            async with asyncio.timeout(CALL_S):
                while True:
                    raw, message = await self._receive()
                    if isinstance(message, dict) and (
                        message.get("type") == "result" and message.get("id") == sent
                    ):
                        break
                    self._aside.append((raw, message))
        except TimeoutError as err:
            raise CannotConnectError(
                f"Home Assistant at {self._url} did not answer `{command}` in {CALL_S:g} s"
            ) from err
        raise_for_result(command, message)
        return sent, message.get("result")

    async def receive(self) -> tuple[bytes, Any]:
        """The next message as received and as parsed (None if it is not JSON).

        Raises CannotConnectError when the connection has ended.
        """
        if self._aside:
            return self._aside.popleft()
        return await self._receive()

    async def _log_in(self) -> None:
        try:
            async with asyncio.timeout(CALL_S):
                _, hello = await self._receive()
                if not isinstance(hello, dict) or hello.get("type") != "auth_required":
                    raise CannotConnectError(
                        f"{self._url} is not Home Assistant's websocket: it did not ask for a token"
                    )
                await self._send({"type": "auth", "access_token": self._token})
                _, answer = await self._receive()
        except TimeoutError as err:
            raise CannotConnectError(
                f"{self._url} did not answer the log-in in {CALL_S:g} s"
            ) from err
        kind = answer.get("type") if isinstance(answer, dict) else None
        if kind == "auth_invalid":
            raise InvalidTokenError(
                "Home Assistant refuses the bridge's token: make a new one in the Smart Beer "
                "options (Connect a storage bridge) and put it into the token file"
            )
        if kind != "auth_ok":
            raise CannotConnectError(f"{self._url} answered the log-in with {kind!r}")

    async def _send(self, payload: dict[str, object]) -> None:
        try:
            await self._socket.send_str(orjson.dumps(payload).decode())
        except (aiohttp.ClientError, ConnectionError, RuntimeError) as err:
            raise CannotConnectError(f"The connection to {self._url} ended: {err}") from err

    async def _receive(self) -> tuple[bytes, Any]:
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            raw: bytes = message.data
            try:
                return raw, orjson.loads(raw)
            except orjson.JSONDecodeError:
                return raw, None
        if message.type is aiohttp.WSMsgType.BINARY:
            return message.data, None
        reason = f": {message.data}" if message.type is aiohttp.WSMsgType.ERROR else ""
        raise CannotConnectError(f"The connection to {self._url} ended{reason}")


def raise_for_result(command: str, message: dict[str, Any]) -> None:
    """Raise CommandError when a result message is not a success."""
    if message.get("success") is True:
        return
    error = message.get("error")
    code, text = "unknown", "no reason given"
    if isinstance(error, dict):
        code, text = str(error.get("code", code)), str(error.get("message", text))
    if code == "unknown_command":
        raise UnknownCommandError(command)
    raise CommandError(command, code, text)
