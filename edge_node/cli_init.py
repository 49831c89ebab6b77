"""`init`: makes the identity and a first configuration of a node."""

import argparse
import json
import os
from pathlib import Path
from typing import Final

import voluptuous as vol

from edge_node import config, config_check, config_schema, identity
from edge_node.hardware import FoundProbe, list_probes

W1_ROOT: Final = Path("/sys/bus/w1/devices")
IIO_ROOT: Final = Path("/sys/bus/iio/devices")


class RefusedError(Exception):
    """Arguments that make no sense; the message says which and what is allowed."""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `init`."""
    parser = subparsers.add_parser("init", help="make identity and a first configuration")
    parser.add_argument("--id", required=True, help="the node's id, for life, such as mash-a")
    parser.add_argument("--name", help="what people call it")
    parser.add_argument(
        "--kettle",
        action="append",
        default=[],
        metavar="ID:NAME",
        help="a kettle that it serves; may be repeated",
    )
    parser.add_argument("--config", type=Path, default=config.DEFAULT_CONFIG, metavar="FILE")
    parser.add_argument("--data-dir", default=config.DEFAULT_DATA_DIR, metavar="DIR")
    parser.add_argument("--w1-root", type=Path, default=W1_ROOT, help=argparse.SUPPRESS)
    parser.add_argument("--iio-root", type=Path, default=IIO_ROOT, help=argparse.SUPPRESS)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Make what is missing; an existing configuration or identity is never overwritten."""
    path: Path = arguments.config
    node_id = _checked("--id", config_schema.slug, arguments.id)
    if path.exists():
        existing = config.load(path)
        if existing.node_id != node_id:
            raise RefusedError(
                f"{path} is the configuration of node {existing.node_id}, not of {node_id}, and is "
                "not overwritten. Choose another --config, or edit that file."
            )
        made = identity.create(node_id, existing.data_dir)
        print(f"{path} is there already and was left as it is.")
    else:
        name = _checked("--name", config_schema.text, arguments.name or node_id)
        kettles = [_kettle(text) for text in arguments.kettle]
        if len({kettle_id for kettle_id, _ in kettles}) != len(kettles):
            raise RefusedError("--kettle: a kettle is given twice; each id once.")
        data_dir = config_check.resolve(Path.cwd() / "x", arguments.data_dir)
        probes = list_probes(arguments.w1_root, arguments.iio_root)
        made = identity.create(node_id, data_dir)
        roots = (arguments.w1_root, arguments.iio_root)
        _write(path, starting_config(node_id, name, kettles, data_dir, probes, roots))
        config.load(path)
        print(f"{path} is written, with {len(probes)} probe(s) found. Look through it.")
    print(f"Node {node_id}, certificate fingerprint {made.fingerprint}")
    option = "" if path == config.DEFAULT_CONFIG else f" --config {path}"
    print(f"Next: smart-beer-edge run{option}, and smart-beer-edge pair{option} beside it.")
    return 0


def starting_config(
    node_id: str,
    name: str,
    kettles: list[tuple[str, str]],
    data_dir: Path,
    probes: list[FoundProbe],
    roots: tuple[Path, Path] = (W1_ROOT, IIO_ROOT),
) -> str:
    """A commented configuration with the probes that were found."""
    lines = [
        "# The configuration of a smart-beer node. Check it with smart-beer-edge check-config FILE",
        f"node: {{id: {node_id}, name: {_quoted(name)}, data_dir: {_quoted(str(data_dir))}}}",
        "",
        "# Where the API listens. mdns announces the node on the local network.",
        f"api: {{bind: 0.0.0.0, port: {config.DEFAULT_PORT}, mdns: true}}",
        "",
        "# The kettles that this node serves. Where several nodes serve one kettle, each names all",
        "# of them: group: [mash-a, mash-b, mash-c]",
    ]
    if kettles:
        lines.append("kettles:")
        lines += [
            f"  - {{id: {kettle_id}, name: {_quoted(kettle_name)}, group: [{node_id}]}}"
            for kettle_id, kettle_name in kettles
        ]
    else:
        lines.append("kettles: []")
    lines += [
        "",
        "# Samples are kept on disk until this size; a probe at 1 Hz takes about 4 MB a day.",
        "spool: {max_bytes: 2GiB}",
    ]
    for key, root, usual in (("w1", roots[0], W1_ROOT), ("iio", roots[1], IIO_ROOT)):
        if root != usual:
            lines.append(f"{key}: {{root: {_quoted(str(root.absolute()))}}}")
    lines += [
        "",
        "# One line for each probe. `kettle` says where it hangs; leave it out for a room probe.",
        "# offset: 0.1 or calibration: [[0.4, 0.0], [99.1, 98.7]] (raw, true) corrects a probe.",
    ]
    kettle = f"kettle: {kettles[0][0]}, " if kettles else ""
    channels = []
    temperatures = [probe for probe in probes if probe.driver == "w1"]
    for number, probe in enumerate(temperatures, 1):
        channel_id = "temperature" if number == 1 else f"temperature_{number}"
        channels.append(
            f"  - {{id: {channel_id}, {kettle}driver: w1, device: {probe.device}}}"
            f"  # {probe.model}, reads {_reading(probe)}"
        )
    lines.append("channels:" if channels else "channels: []")
    lines += channels
    for probe in probes:
        if probe.driver == "iio":
            lines.append(
                f"#  - {{id: pressure, {kettle}driver: iio, device: {_quoted(probe.device)}, "
                f"input: {probe.input}, unit: kPa, span: {{from: [0.5, 4.5], to: [0, 413.7]}}}}"
                f"  # reads {_reading(probe)}; give the span of your transducer"
            )
    return "\n".join(lines) + "\n"


def _reading(probe: FoundProbe) -> str:
    return probe.quality if probe.value is None else f"{probe.value:g} {probe.unit}"


def _kettle(text: str) -> tuple[str, str]:
    kettle_id, _, name = text.partition(":")
    checked = _checked("--kettle", config_schema.slug, kettle_id)
    return checked, _checked("--kettle", config_schema.text, name or kettle_id)


def _checked(option: str, validator: config_schema.Validator, value: str) -> str:
    try:
        return str(validator(value))
    except vol.Invalid as err:
        raise RefusedError(f"{option} {err.msg}") from err


def _quoted(text: str) -> str:
    """A YAML string: JSON's form is one."""
    return json.dumps(text, ensure_ascii=False)


def _write(path: Path, text: str) -> None:
    """Write a new file; one that came into being meanwhile is left alone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as err:
        raise RefusedError(
            f"{path} cannot be written: {err}. Choose another place with --config."
        ) from err
