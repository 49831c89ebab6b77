"""`smart-beer-bridge init`: write the configuration, with a tested token beside it."""

import argparse
import asyncio
import os
import sys
from getpass import getpass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from .config import parse, parse_url
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
    parser.add_argument(
        "--bind", default="127.0.0.1", metavar="IP",
        help="where the API listens; 0.0.0.0 if Home Assistant is on another machine",
    )  # fmt: skip
    parser.add_argument("--port", type=int, default=0, help="of the API; 0: any free one")
    parser.add_argument(
        "--advertise", metavar="URL",
        help="how Home Assistant reaches the API, such as http://bridge.local:8555",
    )  # fmt: skip
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
    text = yaml.safe_dump(_settings(options, data_dir, token_file), sort_keys=False)
    parse(config, text)
    token = _read_token(options.token_file)
    if not options.no_check:
        asyncio.run(_check(options.home_assistant, token))
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    config.parent.mkdir(parents=True, exist_ok=True)
    write_private(token_file, token + "\n")
    handle = os.open(config, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    print(f"Wrote {config} and {token_file}.")
    print(f"Start the bridge with: smart-beer-bridge run --config {config}")
    return 0


def _settings(options: argparse.Namespace, data_dir: Path, token_file: Path) -> dict[str, Any]:
    api = {"bind": options.bind, "port": options.port}
    if options.advertise is not None:
        api["advertise"] = options.advertise
    return {
        "home_assistant": {"url": options.home_assistant, "token_file": str(token_file)},
        "data_dir": str(data_dir),
        "api": api,
        "tiers": {
            "hot": {"driver": "sqlite", "keep_days": 3},
            "warm": {"driver": "sqlite", "keep_days": 30},
            "cold": {"driver": "sqlite"},
        },
        "outbox": {"max_bytes": "2GiB"},
    }


def _read_token(source: str) -> str:
    if source == "-":
        text = getpass("The bridge's token: ") if sys.stdin.isatty() else sys.stdin.read()
    else:
        text = Path(source).read_text(encoding="utf-8")
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
