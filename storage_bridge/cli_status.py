"""`smart-beer-bridge status`: what the bridge is doing, or what it left behind."""

import argparse
import asyncio
import json
from typing import Any

import aiohttp

from .app import shown_coverage
from .config import BridgeConfig, load
from .coverage import text
from .data_dir import read_runtime
from .outbox_offline import read_status
from .samples_csv import iso


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = commands.add_parser("status", help="show what the bridge is doing")
    parser.add_argument("--json", action="store_true", help="everything, as one JSON object")
    parser.set_defaults(command=_status)


def _status(options: argparse.Namespace) -> int:
    """0 while the bridge runs, 1 when only its files could be read."""
    config = load(options.config)
    status = asyncio.run(_ask(config))
    if status is None:
        status = {"running": False, **read_status(config.outbox_path)}
        status["coverage"] = shown_coverage(status["coverage"])
        status["latency_ms"] = status["outbox"]["latency_ms"]
    if options.json:
        print(json.dumps(status))
    else:
        _show(config, status)
    return 0 if status["running"] else 1


async def _ask(config: BridgeConfig) -> dict[str, Any] | None:
    runtime = read_runtime(config.data_dir)
    if runtime is None:
        return None
    headers = {"Authorization": f"Bearer {runtime['secret']}"}
    timeout = aiohttp.ClientTimeout(total=10)
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
            session.get(f"{runtime['url']}/v1/status", allow_redirects=False) as response,
        ):
            # Another program may have got the port of a bridge that was killed.
            if response.status != 200:
                return None
            found: dict[str, Any] = await response.json()
            return found
    except aiohttp.ClientError, TimeoutError, ValueError:
        return None


def _show(config: BridgeConfig, status: dict[str, Any]) -> None:
    if status["running"]:
        source = status["source"]
        link = "connected" if source["connected"] else f"not connected: {source['problem']}"
        print(f"Home Assistant: {link}")
        for name, sink in status["sinks"].items():
            age = sink["last_success_age_s"]
            told = "nothing written yet" if age is None else f"last write {age:g} s ago"
            print(f"Tier {name}: {sink['problem'] or told}")
        _show_archive(status["tiers"])
        if not status["leads"]:
            # What is in a file of this server's is archived here.
            works = (
                "mirrors entities" if config.tiers.warm is None else "archives and mirrors entities"
            )
            print(f"This server follows: the leader's bridge {works}")
        for name, part in status["following"].items():
            if name == "mirror" and not status["leads"]:
                continue
            print(f"{name.capitalize()}: {part['problem'] or 'recorded'}")
        _show_tasks(status["tasks"])
    else:
        print(f"The bridge is not running; read from the files in {config.data_dir}:")
    outbox = status["outbox"]
    print(
        f"Outbox: {outbox['samples']} samples in {outbox['rows']} rows, {outbox['bytes']} bytes, "
        f"cursors {outbox['cursors']} of {outbox['last_row']}"
    )
    if (dead := outbox["counters"].get("dead_letters", 0)) or outbox["letters"]:
        print(
            f"Dead letters: {dead}, {outbox['letters']} of them wait for the warm tier; "
            "`smart-beer-bridge letters` shows them"
        )
    latency = status["latency_ms"]
    if latency["n"]:
        print(
            f"Latency to commit: p50 {latency['p50']} ms, p95 {latency['p95']} ms, "
            f"max {latency['max']} ms over {latency['n']} batches"
        )
    for node_id, spools in status["coverage"].items():
        for spool in spools:
            lost = f", {spool['lost']} lost at the node" if spool["lost"] else ""
            spans = text([(low, high) for low, high in spool["coverage"]])
            print(f"Node {node_id}, spool {spool['spool_id']}: seq {spans}{lost}")
    for alarm in status.get("alarms", []):
        print(f"ALARM: {alarm}")


def _show_archive(tiers: dict[str, Any]) -> None:
    """The cold tier, which no feeder speaks of, and what became of the last pass."""
    closed, done = tiers["closed"], tiers["last_pass"]
    print(f"Tier cold: {(closed['cold'] or 'not open yet') if 'cold' in closed else 'answers'}")
    if done is None:
        print("Archive: no pass has ended yet")
        return
    problem = done["error"] or next(iter(done["failed"]), None)
    print(
        f"Archive: last pass at {iso(done['at'])}: {done['copied']} hours and "
        f"{done['records']['copied']} records copied, {done['deleted']} samples let go by warm"
        + (f"; it does not get on: {problem}" if problem else "")
    )


def _show_tasks(tasks: dict[str, Any]) -> None:
    """Those that have died since the bridge started."""
    for name, task in tasks.items():
        if task["died_of"] is not None:
            state = "runs again" if task["running"] else "is started again soon"
            died = f"it died {task['restarts']} times, last of {task['died_of']}"
            print(f"Task {name} {state}; {died}")
