"""`smart-beer-edge`: the node's commands."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

# Sensor reading needs only sysfs; w1thermsensor would try to load kernel modules on import.
os.environ.setdefault("W1THERMSENSOR_NO_KERNEL_MODULE", "1")

from edge_node import (
    __version__,
    cli_clients,
    cli_init,
    cli_probes,
    cli_safe_level,
    cli_service,
    cli_simulate,
    config,
)
from edge_node.app import AppError, RunOptions, run
from edge_node.cli_clients import add_config
from edge_node.config import ConfigError
from edge_node.hardware.outputs import open_outputs
from edge_node.identity import IdentityError
from edge_node.secret_file import SecretFileError

REFUSED: Final = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0, or 2 after a sentence on stderr that says what was refused and why."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if arguments.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    func: Callable[[argparse.Namespace], int] = arguments.func
    try:
        return func(arguments)
    except ConfigError as err:
        for problem in err.problems:
            print(problem, file=sys.stderr)
    except (AppError, IdentityError, SecretFileError, cli_init.RefusedError) as err:
        print(err, file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    return REFUSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="smart-beer-edge", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--verbose", action="store_true", help="log more, for finding faults")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    cli_init.register(subparsers)
    cli_service.register(subparsers)
    _register_run(subparsers)
    cli_probes.register(subparsers)
    cli_safe_level.register(subparsers)
    cli_clients.register(subparsers)
    cli_simulate.register(subparsers)
    check = subparsers.add_parser("check-config", help="list all that is wrong with a file")
    check.add_argument(
        "config",
        type=Path,
        nargs="?",
        default=config.DEFAULT_CONFIG,
        metavar="FILE",
        help=f"{config.DEFAULT_CONFIG} unless given",
    )
    check.set_defaults(func=_check_config)
    return parser


def _register_run(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> None:
    parser = subparsers.add_parser("run", help="run the node until SIGTERM")
    add_config(parser)
    parser.add_argument(
        "--pausable", action="store_true", help="let SIGUSR1 stop sampling (the API goes on)"
    )
    # For nodes that `simulate` runs.
    parser.add_argument("--paused", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--standing-code-file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    parser.set_defaults(func=_run)


def _run(arguments: argparse.Namespace) -> int:
    # Before anything else can fail: what is wrong elsewhere must not leave an output to itself.
    outputs = open_outputs(arguments.config)
    try:
        loaded = config.load(arguments.config)
        options = _options(arguments)
    except BaseException:
        outputs.close()
        raise
    asyncio.run(run(loaded, outputs, options))
    return 0


def _options(arguments: argparse.Namespace) -> RunOptions:
    code = None
    if arguments.standing_code_file is not None:
        code = arguments.standing_code_file.read_text("ascii").strip()
    return RunOptions(
        pausable=arguments.pausable,
        paused=arguments.paused,
        standing_code=code,
        parent=arguments.parent,
    )


def _check_config(arguments: argparse.Namespace) -> int:
    node = config.load(arguments.config)
    print(
        f"{arguments.config}: good. Node {node.node_id}, {len(node.kettles)} kettle(s), "
        f"{len(node.channels)} channel(s), digest {node.digest[:16]}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
