"""The real bridge as a child process, on a folder of its own."""

import asyncio
import contextlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import yaml

from scripts.demo_brewery.processes import Child

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_START_S: Final = 60.0


class RunningBridge:
    """Its process and its API."""

    def __init__(self, child: Child, http: aiohttp.ClientSession) -> None:
        self.child = child
        self._http = http

    @property
    def pid(self) -> int:
        """The process."""
        return self.child.process.pid

    async def get(self, path: str, params: list[tuple[str, str]]) -> Any:  # noqa: ANN401  # JSON
        """The answer of a GET; RuntimeError with the text of a refusal."""
        async with self._http.get(path, params=params) as response:
            if response.status != 200:
                raise RuntimeError(f"GET {path} of the bridge: {await response.text()}")
            return json.loads(await response.read())


@contextlib.asynccontextmanager
async def running_bridge(
    folder: Path, url: str, token: str, *, prefix: tuple[str, ...] = ()
) -> AsyncIterator[RunningBridge]:
    """A bridge of Home Assistant at the websocket `url`, its data in `folder`/data.

    It archives nothing by itself while it is measured. `prefix` is a command that starts it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    secret = folder / "token"
    secret.touch(mode=0o600)
    secret.write_text(token)
    config = folder / "bridge.yaml"
    settings = {
        "home_assistant": {"url": url, "token_file": "token"},
        "data_dir": "data",
        "tiers": {"warm": {"keep_days": 36_500}},
    }
    config.write_text(yaml.safe_dump(settings))
    runtime = folder / "data" / "runtime.json"
    runtime.unlink(missing_ok=True)
    child = Child(
        "the storage bridge",
        [*prefix, Path(sys.executable).parent / "smart-beer-bridge", "run", "--config", config],
        folder / "bridge.log",
    )
    child.start()
    try:
        deadline = time.monotonic() + _START_S
        while not runtime.exists():
            child.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"the bridge did not start in {_START_S:g} s: {child.tail()}")
            await asyncio.sleep(0.05)
        there = json.loads(runtime.read_text())
        async with aiohttp.ClientSession(
            there["url"], headers={"Authorization": f"Bearer {there['secret']}"}
        ) as http:
            yield RunningBridge(child, http)
    finally:
        await asyncio.to_thread(child.stop)
