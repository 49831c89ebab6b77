"""`smart-beer-bridge`: the command line of the storage bridge."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from . import (
    app,
    cli_app,
    cli_archive,
    cli_backup,
    cli_batches,
    cli_data,
    cli_doctor,
    cli_export,
    cli_init,
    cli_letters,
    cli_preflight,
    cli_service,
    cli_status,
    cli_verify,
)
from .backup_file import BackupError
from .batches import NoSuchBatchError
from .config import BridgeConfig, ConfigError, load
from .data_dir import DataDirError
from .ha_client import HomeAssistantClientError
from .outbox import OutboxDiedError
from .outbox_schema import OutboxError
from .samples_file import FileFormatError, ParquetMissingError
from .stored import StoreError
from .tiers.base import TierError

_SENTENCES = (
    BackupError, DataDirError, FileFormatError, HomeAssistantClientError, NoSuchBatchError,
    OutboxDiedError, OutboxError, ParquetMissingError, StoreError, TierError, cli_app.AppError,
    cli_init.InitError, cli_data.UsageError, cli_service.ServiceError, OSError,
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 is success, 1 something is missing or not running, 2 an error."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except ConfigError as err:
        for problem in err.problems:
            print(problem, file=sys.stderr)
    except _SENTENCES as err:
        print(f"smart-beer-bridge: {err}", file=sys.stderr)
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="smart-beer-bridge", description="Keeps every sample of a brewery, for ever."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    cli_init.add_to(commands)
    cli_preflight.add_to(commands)
    cli_app.add_to(commands)
    cli_service.add_to(commands)
    run = commands.add_parser("run", help="run the bridge until SIGTERM")
    run.set_defaults(command=_run)
    for add in (
        cli_status.add_to, cli_data.add_query, cli_batches.add_batches,
        cli_batches.add_note_command, cli_export.add_export, cli_export.add_import,
        cli_archive.add_to, cli_verify.add_to, cli_letters.add_to,
        cli_doctor.add_to, cli_backup.add_to,
    ):  # fmt: skip
        add(commands)
    for name, command in commands.choices.items():
        if name not in {"app", "init", "install-service", "preflight"}:
            command.add_argument("--config", type=Path, required=True, metavar="FILE")
    return parser


def _run(options: argparse.Namespace) -> int:
    config: BridgeConfig = load(options.config)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    asyncio.run(app.run(config))
    return 0
