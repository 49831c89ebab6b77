"""What no single key can say of controllers."""

from typing import Any

from edge_node.config_items import Items, item_id, mappings, text_of
from edge_node.config_yaml import Document, KeyPath

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
        if output.get("kettle") != item.get("kettle"):
            document.report(
                (*path, role),
                f"{name} belongs to kettle {output.get('kettle')}, not to {item.get('kettle')}.",
            )
        if kind in {"pid", "cascade"} and output.get("control", "switch") == "switch":
            document.report(
                (*path, role), f"a {kind} needs an output with control: power; {name} is a switch."
            )
    if not named:
        document.report(path, "it drives nothing; name a heater or a cooler.")
    if kind in {"pid", "hysteresis", "cascade"} and "cooler" in named:
        document.report((*path, "cooler"), "only a fermentation controller cools.")
    _cascade(document, path, item, data)


def _cascade(document: Document, path: KeyPath, item: dict[str, Any], data: dict[str, Any]) -> None:
    probe = item.get("inner_probe")
    if item.get("kind") != "cascade":
        for key in ("inner_probe", "inner_max_k"):
            if key in item:
                document.report((*path, key), "belongs to a controller of kind cascade.")
        return
    if probe is None:
        document.report(
            path, "the key inner_probe is missing; it must be the channel at the heat exchanger."
        )
    elif isinstance(probe, str) and probe not in {
        item_id(channel) for _, channel in mappings(data, "channels")
    }:
        document.report((*path, "inner_probe"), f"there is no channel {probe}.")


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
