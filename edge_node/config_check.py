"""What no single key can say: ids given twice, hardware used twice, names that lead nowhere.

Works on the plain data as it stands in the file and skips what is not even of the right type (the
schema reports that), so that one wrong key does not hide another problem.
"""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_node import config_outputs_check
from edge_node.config_schema import UNITS
from edge_node.config_yaml import Document, KeyPath
from edge_node.recording import RecordingError, read_recording

_DRIVER_UNITS = {"w1": "°C", "iio": "kPa", "carbonation": "vol", "replay": "°C", "simulated": "°C"}


def default_unit(driver: str) -> str:
    """The unit of a channel whose configuration names none."""
    return _DRIVER_UNITS[driver]


def check(document: Document) -> None:
    """Report every problem that lies between keys."""
    data = document.data
    if not isinstance(data, dict):
        return
    kettles = list(_mappings(data, "kettles"))
    channels = list(_mappings(data, "channels"))
    _unique(document, kettles, "kettle")
    _unique(document, channels, "channel")
    _node_id(document, data)
    _groups(document, data, kettles)
    _known_kettles(document, kettles, channels)
    _claims(document, channels)
    _carbonation(document, channels)
    _spans(document, channels)
    _files(document, channels)
    _bind(document, data)
    config_outputs_check.check(document, data)


def claims(channel: dict[str, Any]) -> list[str]:
    """What hardware a channel takes for itself, in words; no two channels may claim the same."""
    match channel.get("driver"):
        case "w1":
            return [f"1-Wire device {channel.get('device')}"]
        case "iio":
            return [f"input {channel.get('input')} of {channel.get('device')}"]
        case _:
            return []


def _mappings(data: dict[str, Any], key: str) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    items = data.get(key)
    for index, item in enumerate(items if isinstance(items, list) else []):
        if isinstance(item, dict):
            yield (key, index), item


def _unique(document: Document, items: list[tuple[KeyPath, dict[str, Any]]], what: str) -> None:
    seen: dict[str, KeyPath] = {}
    for path, item in items:
        name = item.get("id")
        if not isinstance(name, str):
            continue
        if name in seen:
            first = document.line((*seen[name], "id"))
            document.report(
                (*path, "id"),
                f"the {what} {name} is there already, on line {first}; ids are unique.",
            )
        else:
            seen[name] = path


def _claims(document: Document, channels: list[tuple[KeyPath, dict[str, Any]]]) -> None:
    seen: dict[str, tuple[KeyPath, object]] = {}
    for path, channel in channels:
        for claim in claims(channel):
            if claim in seen:
                first, owner = seen[claim]
                document.report(
                    (*path, "device"),
                    f"{claim} is used already by channel {owner} on line "
                    f"{document.line((*first, 'device'))}; use each one once.",
                )
            else:
                seen[claim] = (path, channel.get("id"))


def _node_id(document: Document, data: dict[str, Any]) -> None:
    """The series of mirrored entities of Home Assistant are called ha/<entity_id>."""
    node = data.get("node")
    if isinstance(node, dict) and node.get("id") == "ha":
        document.report(("node", "id"), "must be another: ha stands for Home Assistant itself.")


def _groups(
    document: Document, data: dict[str, Any], kettles: list[tuple[KeyPath, dict[str, Any]]]
) -> None:
    node = data.get("node")
    node_id = node.get("id") if isinstance(node, dict) else None
    for path, kettle in kettles:
        group = kettle.get("group")
        if not isinstance(group, list):
            continue
        if isinstance(node_id, str) and node_id not in group:
            document.report((*path, "group"), f"must contain this node, {node_id}.")
        for index, member in enumerate(group):
            if member in group[:index]:
                document.report((*path, "group", index), f"{member} is in the group twice.")


def _known_kettles(
    document: Document,
    kettles: list[tuple[KeyPath, dict[str, Any]]],
    channels: list[tuple[KeyPath, dict[str, Any]]],
) -> None:
    known = [kettle["id"] for _, kettle in kettles if isinstance(kettle.get("id"), str)]
    for path, channel in channels:
        name = channel.get("kettle")
        if isinstance(name, str) and name not in known:
            allowed = f"known are {', '.join(known)}" if known else "none is declared"
            document.report(
                (*path, "kettle"),
                f"the kettle {name} is not declared under kettles; {allowed}. "
                "Leave the key out for a room probe.",
            )


def _carbonation(document: Document, channels: list[tuple[KeyPath, dict[str, Any]]]) -> None:
    by_id = {c["id"]: c for _, c in channels if isinstance(c.get("id"), str)}
    for path, channel in channels:
        if channel.get("driver") != "carbonation":
            continue
        for kind in ("temperature", "pressure"):
            name = channel.get(kind)
            if not isinstance(name, str):
                continue
            source = by_id.get(name)
            if source is None:
                document.report((*path, kind), f"there is no channel {name}.")
                continue
            found = _kind(source)
            if found is not None and found != kind:
                document.report(
                    (*path, kind), f"must be a {kind} channel; {name} is a {found} channel."
                )
            if source.get("kettle") != channel.get("kettle"):
                document.report(
                    (*path, kind),
                    f"the channel {name} belongs to kettle {source.get('kettle')}, not to "
                    f"{channel.get('kettle')}; both inputs must be of the same kettle.",
                )


def _spans(document: Document, channels: list[tuple[KeyPath, dict[str, Any]]]) -> None:
    for path, channel in channels:
        span = channel.get("span")
        volts = str(channel.get("input", "")).startswith("voltage") and "shunt_ohms" not in channel
        limits = span.get("from") if isinstance(span, dict) else None
        if not volts or not isinstance(limits, list):
            continue
        # No ADC of this kind takes more than 6 V at its pins: these must be milliamperes.
        if any(isinstance(limit, int | float) and limit > 6 for limit in limits):
            document.report(
                (*path, "span"),
                f"{limits} cannot be volts at an ADC's input; for a 4-20 mA transducer give the "
                "resistor across the input as shunt_ohms.",
            )


def _kind(channel: dict[str, Any]) -> str | None:
    driver = channel.get("driver")
    if not isinstance(driver, str) or driver not in _DRIVER_UNITS:
        return None
    unit = channel.get("unit", _DRIVER_UNITS[driver])
    return UNITS.get(unit) if isinstance(unit, str) else None


def _files(document: Document, channels: list[tuple[KeyPath, dict[str, Any]]]) -> None:
    for path, channel in channels:
        name = channel.get("file")
        if channel.get("driver") != "replay" or not isinstance(name, str) or "\0" in name:
            continue
        file = resolve(document.path, name)
        if not file.is_file():
            document.report((*path, "file"), f"there is no file {file}.")
            continue
        column = channel.get("column", 1)
        if not isinstance(column, int) or isinstance(column, bool):
            continue
        try:
            read_recording(file, column)
        except RecordingError as err:
            document.report((*path, "file"), f"cannot be replayed: {err}.")


def _bind(document: Document, data: dict[str, Any]) -> None:
    api = data.get("api")
    bind = api.get("bind") if isinstance(api, dict) else None
    if not isinstance(bind, str):
        return
    try:
        ipaddress.ip_address(bind)
    except ValueError:
        document.report(("api", "bind"), f"must be an IP address such as 0.0.0.0, not {bind!r}.")


def resolve(config: Path, name: str) -> Path:
    """A path in the configuration, relative ones seen from the configuration file's folder."""
    return config.parent.absolute() / Path(name).expanduser()
