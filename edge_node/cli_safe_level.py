"""`safe-level`: put every output of a configuration file to its safe level, and end.

The service manager runs it whenever the node has ended, however it did.
"""

import argparse
import sys

from edge_node.cli_clients import add_config
from edge_node.hardware.outputs import open_outputs


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `safe-level`."""
    parser = subparsers.add_parser(
        "safe-level", help="put every output to its safe level (not while the node runs)"
    )
    add_config(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Set all that can be set; 2 after a sentence for each output that could not."""
    outputs = open_outputs(arguments.config)
    outputs.close()
    for output_id, reason in outputs.failed.items():
        print(f"Output {output_id} is not at its safe level: {reason}.", file=sys.stderr)
    if outputs.failed:
        return 2
    print(f"{len(outputs)} output(s) of {arguments.config} are at their safe level.")
    return 0
