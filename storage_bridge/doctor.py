"""Connects to everything that is configured and says in plain words how each part is.

It takes the same steps as a bridge that starts (stores are prepared where they are new), and
disturbs none that runs.
"""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import aiohttp

from .config import BridgeConfig
from .data_dir import read_runtime
from .ha_client import HomeAssistantClient, HomeAssistantClientError
from .outbox_offline import read_status
from .outbox_schema import OutboxError
from .preflight import GIB, Level
from .preflight_machine import clock_synchronised
from .tiers import DriverMissingError, tiers_of
from .tiers.base import Tier, TierError

PATIENCE_S: Final = 10.0
LOW_DISK: Final = 1 * GIB


@dataclass(frozen=True, slots=True)
class Finding:
    """How one part is; `text` is a sentence, with what to do where something is wrong."""

    part: str
    level: Level
    text: str


async def examine(config: BridgeConfig) -> AsyncIterator[Finding]:
    """Every part in turn, each within PATIENCE_S; the first word comes at once."""
    yield _clock()
    yield _data_dir(config)
    yield await _within("home assistant", lambda: _home_assistant(config))
    try:
        tiers = await asyncio.to_thread(tiers_of, config.tiers, config.store_path)
    except DriverMissingError as err:
        yield Finding("tiers", Level.STOP, _sentence(err))
    else:
        try:
            for tier in tiers:
                look = partial(_tier, config, tier)
                yield await _within(tier.role, look, f"{_store(config, tier.role)}: no answer")
        finally:
            await tiers.close()
    yield await asyncio.to_thread(_outbox, config)
    said = await _within("bridge", lambda: _running(config))
    for finding in said if isinstance(said, list) else [said]:
        yield finding


async def _within[T](
    part: str, look: Callable[[], Awaitable[T]], silence: str = "No answer"
) -> T | Finding:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await look()
    except TimeoutError:
        return Finding(
            part, Level.STOP, f"{silence} within {PATIENCE_S:.0f} s: is it running, and reachable?"
        )


def _clock() -> Finding:
    match clock_synchronised():
        case True:
            return Finding("clock", Level.OK, "The clock is synchronised.")
        case False:
            return Finding(
                "clock",
                Level.WARN,
                "The clock is not synchronised: start a time service (systemd-timesyncd, chrony).",
            )
        case None:
            return Finding("clock", Level.WARN, "Whether the clock is right cannot be read.")


def _data_dir(config: BridgeConfig) -> Finding:
    part, folder = "data", config.data_dir
    try:
        free = shutil.disk_usage(folder).free
    except OSError as err:
        return Finding(
            part,
            Level.STOP,
            f"The folder {folder} cannot be used: {err.strerror}. `init` makes it.",
        )
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Finding(
            part,
            Level.STOP,
            f"The folder {folder} is not for this user (number {os.geteuid()}) to write: run this "
            "as the user that the bridge runs as, or give the folder to it.",
        )
    text = f"{free / GIB:.1f} GiB are free in {folder}"
    if free < LOW_DISK:
        return Finding(part, Level.WARN, f"Only {text}: make room before the outbox needs it.")
    return Finding(part, Level.OK, f"{text}.")


async def _home_assistant(config: BridgeConfig) -> Finding:
    part, url = "home assistant", config.home_assistant.url
    try:
        token = config.home_assistant.token()
        async with (
            aiohttp.ClientSession() as session,
            HomeAssistantClient(session, url, token) as client,
        ):
            _, answer = await client.call("smart_beer/spools")
    except (HomeAssistantClientError, OSError) as err:
        return Finding(part, Level.STOP, _sentence(err))
    nodes = answer["nodes"]
    away = sorted(node_id for node_id, node in nodes.items() if not node["connected"])
    text = f"Home Assistant answers at {url} and knows {len(nodes)} nodes"
    if away:
        return Finding(part, Level.WARN, f"{text}; not connected to it: {', '.join(away)}.")
    return Finding(part, Level.OK, f"{text}, all connected.")


async def _tier(config: BridgeConfig, tier: Tier) -> Finding:
    store = _store(config, tier.role)
    began = time.monotonic()
    try:
        await tier.open()
        series = await tier.series()
    except TierError as err:
        return Finding(tier.role, Level.STOP, _sentence(err))
    took = (time.monotonic() - began) * 1000
    return Finding(
        tier.role, Level.OK, f"{store} answers in {took:.0f} ms and holds {len(series)} series."
    )


def _store(config: BridgeConfig, role: str) -> str:
    tiers = config.tiers
    if role == "hot" and tiers.hot is not None:
        return f"Redis at {tiers.hot.url}"
    if role == "warm" and tiers.warm is not None:
        return f"MongoDB at {tiers.warm.url}"
    if role == "cold" and tiers.cold is not None:
        return f"Cassandra at {', '.join(tiers.cold.hosts)}"
    return f"The {role} tier's file"


def _sentence(text: object) -> str:
    """It may be one already."""
    return f"{str(text).rstrip('. ')}."


def _outbox(config: BridgeConfig) -> Finding:
    part = "outbox"
    if not config.outbox_path.exists():
        return Finding(part, Level.WARN, "There is no outbox yet: the bridge has never run.")
    try:
        status = read_status(config.outbox_path)["outbox"]
    except OutboxError as err:
        return Finding(part, Level.STOP, _sentence(err))
    text = f"{status['samples']} samples wait for a tier, in {status['bytes'] / 2**20:.1f} MiB"
    if status["letters"]:
        text += f"; {status['letters']} dead letters wait for warm, `letters` shows them"
    if dropped := status["counters"].get("dead_letters_dropped"):
        text += f"; {dropped} others were too many to be kept"
    if status["bytes"] > config.outbox_max_bytes // 2:
        return Finding(part, Level.WARN, f"{text}: more than half of what it may take.")
    return Finding(part, Level.OK, f"{text}.")


async def _running(config: BridgeConfig) -> list[Finding]:
    """Whether it takes samples in, then its alarms: a store that is away is no more than that."""
    part, runtime = "bridge", read_runtime(config.data_dir)
    away = [Finding(part, Level.WARN, "The bridge is not running: smart-beer-bridge run.")]
    if runtime is None:
        return away
    url = runtime["url"]
    headers = {"Authorization": f"Bearer {runtime['secret']}"}
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{url}/healthz", allow_redirects=False) as response:
                well, text = response.status == 200, (await response.text())[:200]
            async with session.get(
                f"{url}/v1/status", headers=headers, allow_redirects=False
            ) as response:
                # Another program may have got the port of a bridge that was killed.
                if response.status != 200:
                    text = f"{url}/v1/status answers {response.status}, as this bridge would not"
                    return [Finding(part, Level.STOP, f"{text}: start the bridge again.")]
                alarms: list[str] = (await response.json())["alarms"]
    except aiohttp.ClientError, ValueError:
        return away
    if well:
        first = Finding(part, Level.OK, f"The bridge runs at {url}.")
    else:
        first = Finding(part, Level.STOP, f"The bridge runs and is not well: {text}")
    return [first, *(Finding(part, Level.WARN, _sentence(alarm)) for alarm in alarms)]
