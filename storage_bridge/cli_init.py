"""`smart-beer-bridge init`: write the configuration, with a tested token beside it."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

import aiohttp
import yaml

from .config import load, parse_url
from .data_dir import write_private
from .ha_client import HomeAssistantClient, UnknownCommandError


class InitError(Exception):
    """Nothing was written; the text says why."""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = commands.add_parser("init", help="write the configuration, after testing the token")
    parser.add_argument(
        "--home-assistant", required=True, metavar="URL", help="ws://HOST:8123/api/websocket"
    )
    parser.add_argument(
        "--token-file", required=True, metavar="FILE",
        help="the token of the options step 'Connect a storage bridge'; - reads it from stdin",
    )  # fmt: skip
    parser.add_argument("--data-dir", type=Path, required=True, metavar="DIR")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.add_argument("--no-check", action="store_true", help="do not connect to Home Assistant")
    parser.set_defaults(command=_init)


def _init(options: argparse.Namespace) -> int:
    if (wrong := parse_url(options.home_assistant)) is not None:
        raise InitError(f"--home-assistant {options.home_assistant} {wrong}")
    config: Path = options.config.absolute()
    data_dir: Path = options.data_dir.absolute()
    token_file = data_dir / "token"
    for existing in (config, token_file):
        if existing.exists():
            raise InitError(f"{existing} exists and is not overwritten; remove it first")
    token = _read_token(options.token_file)
    if not options.no_check:
        asyncio.run(_check(options.home_assistant, token))
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    config.parent.mkdir(parents=True, exist_ok=True)
    write_private(token_file, token + "\n")
    settings = {
        "home_assistant": {"url": options.home_assistant, "token_file": str(token_file)},
        "data_dir": str(data_dir),
        "api": {"bind": "127.0.0.1", "port": 0},
        "tiers": {
            "hot": {"driver": "sqlite", "keep_days": 3},
            "warm": {"driver": "sqlite", "keep_days": 30},
            "cold": {"driver": "sqlite"},
        },
        "outbox": {"max_bytes": "2GiB"},
    }
    handle = os.open(config, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        yaml.safe_dump(settings, file, sort_keys=False)
    load(config)
    print(f"Wrote {config} and {token_file}.")
    print(f"Start the bridge with: smart-beer-bridge run --config {config}")
    return 0


def _read_token(source: str) -> str:
    text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    token = text.strip()
    if not token or not token.isascii() or any(c.isspace() for c in token):
        raise InitError("The token is empty or has blanks in it; paste it whole, on one line")
    return token


async def _check(url: str, token: str) -> None:
    async with aiohttp.ClientSession() as session, HomeAssistantClient(session, url, token) as ha:
        try:
            await ha.call("smart_beer/spools")
        except UnknownCommandError as err:
            print(f"Note: {err}.", file=sys.stderr)
        else:
            print("Home Assistant accepts the token and knows Smart Beer.")
