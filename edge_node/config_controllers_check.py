"""What no single key can say of controllers."""

from typing import Any, Final

from edge_node.config_items import Items, item_id, mappings, text_of
from edge_node.config_outputs_schema import CONTROLLERS
from edge_node.config_yaml import Document, KeyPath

_OF_INNER: Final = ("inner_max_k", "inner_min_k", "inner_range", "outer")
# What only some kinds of controller have.
_KEYS: Final = {
    ("pid", "cascade"): ("pid",),
    ("pid",): ("boil_power", "boil_margin"),
    ("hysteresis", "fermentation"): ("band_k",),
    ("cascade", "fermentation"): ("inner_probe", *_OF_INNER),
    ("cascade",): ("exchanger_l",),
}

Outputs = dict[str, tuple[KeyPath, dict[str, Any]]]


def check(document: Document, data: dict[str, Any], controllers: Items, outputs: Outputs) -> None:
    """Report every problem of a controller with its outputs and probes."""
    for path, item in controllers:
        _controller(document, path, item, outputs, data)
    _driven_once(document, controllers)


def _controller(
    document: Document,
    path: KeyPath,
    item: dict[str, Any],
    outputs: dict[str, tuple[KeyPath, dict[str, Any]]],
    data: dict[str, Any],
) -> None:
    kind = text_of(item, "kind")
    named = [role for role in ("heater", "cooler") if isinstance(item.get(role), str)]
    for role in named:
        name = item[role]
        if name not in outputs:
            document.report((*path, role), f"there is no output {name}.")
            continue
        output = outputs[name][1]
        if output.get("kind") != role:
            document.report((*path, role), f"{name} is a {output.get('kind')}, not a {role}.")
        allowed = [item.get("kettle")]
        if kind == "cascade":
            allowed.append(_kettle_of_channel(data, item.get("inner_probe")))
        if output.get("kettle") not in allowed:
            document.report(
                (*path, role),
                f"{name} belongs to kettle {output.get('kettle')}, not to {item.get('kettle')}"
                + (" nor to that of the inner probe." if kind == "cascade" else "."),
            )
        if kind in {"pid", "cascade"} and output.get("control", "switch") == "switch":
            document.report(
                (*path, role), f"a {kind} needs an output with control: power; {name} is a switch."
            )
    if not named:
        document.report(path, "it drives nothing; name a heater or a cooler.")
    if kind in {"pid", "cascade"} and "cooler" in named:
        document.report((*path, "cooler"), f"a {kind} only heats.")
    if kind == "hysteresis" and len(named) > 1:
        document.report(
            (*path, "cooler"),
            "a hysteresis heats or cools; for both take kind fermentation, which rests in between.",
        )
    _keys_of_kind(document, path, item)
    _inner(document, path, item, data)
    if kind == "cascade" and "exchanger_l" not in item:
        heater = outputs.get(item["heater"]) if isinstance(item.get("heater"), str) else None
        if heater is not None and heater[1].get("kettle") == item.get("kettle"):
            document.report(
                path,
                "the key exchanger_l is missing; it must be the litres of water around the coil.",
            )


def _keys_of_kind(document: Document, path: KeyPath, item: dict[str, Any]) -> None:
    for kinds, keys in _KEYS.items():
        for key in keys:
            if key in item and text_of(item, "kind") in CONTROLLERS and item["kind"] not in kinds:
                document.report(
                    (*path, key), f"belongs to a controller of kind {' or '.join(kinds)}."
                )


def _inner(document: Document, path: KeyPath, item: dict[str, Any], data: dict[str, Any]) -> None:
    probe = item.get("inner_probe")
    channels = {item_id(channel): channel for _, channel in mappings(data, "channels")}
    if probe is None:
        if item.get("kind") == "cascade":
            document.report(
                path,
                "the key inner_probe is missing; it must be the channel in the water around the "
                "coil.",
            )
        for key in _OF_INNER:
            if key in item and item.get("kind") == "fermentation":
                document.report(
                    (*path, key), "needs inner_probe, the channel of the chamber's air."
                )
    elif isinstance(probe, str) and probe not in channels:
        document.report((*path, "inner_probe"), f"there is no channel {probe}.")
    elif isinstance(probe, str) and _unit(channels[probe]) != "°C":
        document.report((*path, "inner_probe"), f"{probe} is no temperature.")


def _kettle_of_channel(data: dict[str, Any], name: object) -> object:
    for _, channel in mappings(data, "channels"):
        if isinstance(name, str) and item_id(channel) == name:
            return channel.get("kettle")
    return None


def _unit(channel: dict[str, Any]) -> object:
    """°C unless it says, or its driver means, something else."""
    other = {"iio": "kPa", "carbonation": "vol"}.get(text_of(channel, "driver") or "", "°C")
    return channel.get("unit", other)


def _driven_once(document: Document, controllers: Items) -> None:
    seen: dict[str, tuple[KeyPath, str | None, str]] = {}
    for path, item in controllers:
        for role in ("heater", "cooler"):
            name = item.get(role)
            if not isinstance(name, str):
                continue
            if name in seen:
                first, owner, role_there = seen[name]
                document.report(
                    (*path, role),
                    f"the output {name} is driven already by controller {owner} on line "
                    f"{document.line((*first, role_there))}; two cannot drive one.",
                )
            else:
                seen[name] = (path, item_id(item), role)
