"""A real Home Assistant as a child process, and what a person would click in it."""

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from .processes import Child

if TYPE_CHECKING:
    from pathlib import Path

DOMAIN = "smart_beer"

type Json = Any  # what json.loads gives


class FlowError(RuntimeError):
    """A flow did not end as a person would expect; the message holds Home Assistant's answer."""


def home_assistant(executable: Path, config: Path, log: Path) -> Child:
    """Home Assistant on a folder of `seed.make_config`; installs nothing."""
    # hass starts slowly without byte code, which some environments switch off.
    command: list[str | Path] = [
        executable,
        "--config",
        config,
        "--skip-pip",
        "--log-file",
        log.with_suffix(".hass.log"),
    ]
    return Child("Home Assistant", command, log, environment={"PYTHONDONTWRITEBYTECODE": ""})


class Session:
    """An owner's session: `async with Session(url, token) as ha`."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._token = token

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            headers=self._headers, timeout=aiohttp.ClientTimeout(total=30)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def wait_running(self, child: Child, patience: float = 120) -> None:
        """Wait until Home Assistant has started; raises ChildDiedError or TimeoutError."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            child.check()
            if await self._state() == "RUNNING":
                return
            await asyncio.sleep(0.3)
        raise TimeoutError(
            f"Home Assistant did not start within {patience} s; its log ends:\n{child.tail()}"
        )

    async def _state(self) -> str:
        try:
            return str((await self.get("/api/config")).get("state"))
        except aiohttp.ClientError, TimeoutError, OSError:
            return "not listening yet"

    async def get(self, path: str) -> Json:
        """The JSON answer of a GET."""
        async with self._http.get(self.url + path) as response:
            response.raise_for_status()
            return await response.json()

    async def post(self, path: str, body: dict[str, Any]) -> Json:
        """The JSON answer of a POST; raises FlowError with the body of a refusal."""
        async with self._http.post(self.url + path, json=body) as response:
            text = await response.text()
            if response.status >= 400:
                raise FlowError(f"POST {path} was refused with {response.status}: {text}")
            return json.loads(text)

    async def websocket(self, command: dict[str, Any]) -> Json:
        """The result of one websocket command."""
        async with self._http.ws_connect(f"{self.url}/api/websocket", max_msg_size=0) as ws:
            await ws.receive_json()
            await ws.send_json({"type": "auth", "access_token": self._token})
            await ws.receive_json()
            await ws.send_json({"id": 1, **command})
            while True:
                message = await ws.receive_json()
                if message.get("id") == 1 and message["type"] == "result":
                    if not message["success"]:
                        raise FlowError(f"{command['type']} was refused: {message['error']}")
                    return message["result"]

    async def hub(self) -> dict[str, Any] | None:
        """The brewery's config entry, or None before it was added."""
        entries = await self.get(f"/api/config/config_entries/entry?domain={DOMAIN}")
        return next(iter(entries), None)

    async def add_brewery(self, pairing_line: str) -> str:
        """Add the hub with its first node, as a person does; its entry id."""
        flow = await self.post("/api/config/config_entries/flow", {"handler": DOMAIN})
        answer = await self.post(
            f"/api/config/config_entries/flow/{flow['flow_id']}", {"pairing_line": pairing_line}
        )
        _expect(answer, "create_entry")
        return str(answer["result"]["entry_id"])

    async def add_node(self, entry_id: str, pairing_line: str) -> None:
        """Add one more node to the hub."""
        path = "/api/config/config_entries/subentries/flow"
        flow = await self.post(path, {"handler": [entry_id, "node"]})
        answer = await self.post(f"{path}/{flow['flow_id']}", {"pairing_line": pairing_line})
        _expect(answer, "create_entry")

    async def connect_bridge(self, entry_id: str) -> str:
        """Walk through the options step "Connect a storage bridge"; the bridge's token."""
        path = "/api/config/config_entries/options/flow"
        flow = await self.post(path, {"handler": entry_id})
        step = await self.post(f"{path}/{flow['flow_id']}", {"next_step_id": "storage_bridge"})
        step = await self.post(f"{path}/{step['flow_id']}", {})
        token = str(step["description_placeholders"]["token"])
        _expect(await self.post(f"{path}/{step['flow_id']}", {}), "create_entry")
        return token


def _expect(answer: dict[str, Any], kind: str) -> None:
    if answer.get("type") != kind:
        raise FlowError(f"Home Assistant's flow should have ended in {kind}: {answer}")
