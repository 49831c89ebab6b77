"""`smart-beer-bridge app`: run as an app (add-on) of Home Assistant OS."""

import argparse
import asyncio
import json
import logging
import os
import socket
from pathlib import Path

import yaml

from . import app
from .config import load
from .data_dir import write_private
from .home_assistant_app import SECRETS, configuration


class AppError(Exception):
    """It is not run by the supervisor, or was given something unreadable; the text says what."""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command."""
    parser = commands.add_parser("app", help="run as an app (add-on) of Home Assistant OS")
    parser.add_argument(
        "--data", type=Path, default=Path("/data"), metavar="DIR", help="the app's own folder"
    )
    parser.set_defaults(command=_app)


def prepare(data: Path, token: str, hostname: str) -> Path:
    """Write what the bridge reads from the app's options; the path of its configuration.

    Secrets are files of mode 0600. Raises AppError.
    """
    options_file = data / "options.json"
    try:
        options = json.loads(options_file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise AppError(f"The app's options in {options_file} cannot be read: {err}") from err
    if not isinstance(options, dict):
        raise AppError(f"The app's options in {options_file} are no object")
    for name, secret in {"token": token, **{one: options.get(one) for one in SECRETS}}.items():
        if secret:
            write_private(data / name, f"{secret}\n")
        else:
            (data / name).unlink(missing_ok=True)
    path = data / "bridge.yaml"
    write_private(path, yaml.safe_dump(configuration(options, data, hostname), sort_keys=False))
    return path


def _app(options: argparse.Namespace) -> int:
    token = os.environ.get("SUPERVISOR_TOKEN")
    if not token:
        raise AppError(
            "SUPERVISOR_TOKEN is not set: this command is for the app (add-on) of Home Assistant "
            "OS. Elsewhere use `smart-beer-bridge init`, then `run`"
        )
    config = load(prepare(options.data, token, socket.gethostname()))
    config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    asyncio.run(app.run(config))
    return 0
