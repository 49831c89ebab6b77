"""What no single key can say of outputs, inputs, controllers and protection.

Like the other checks it works on the plain data and skips what is not even of the right type.
"""

from collections.abc import Iterator
from typing import Any, Final

from edge_node import config_controllers_check
from edge_node.config_items import Items, item_id, mappings, text_of, words_of
from edge_node.config_yaml import Document, KeyPath

_LISTS: Final = ("actuators", "interlocks", "breakers", "controllers")
_WORDS: Final = {
    "actuators": "output",
    "interlocks": "interlock",
    "breakers": "breaker",
    "controllers": "controller",
}
_BUTTONS: Final = ("stop", "override", "pairing")


def check(document: Document, data: dict[str, Any]) -> None:
    """Report every problem that lies between keys."""
    lists = {key: mappings(data, key) for key in _LISTS}
    outputs = {
        item["id"]: (path, item) for path, item in reversed(lists["actuators"]) if item_id(item)
    }
    for key in _LISTS:
        _unique(document, lists[key], _WORDS[key])
    _clashes(document, data, lists)
    _lines(document, data, lists)
    _kettles(document, data, lists)
    for path, item in lists["actuators"]:
        _output(document, path, item, outputs, lists)
    _cycles(document, outputs)
    _mutexes(document, lists["actuators"])
    config_controllers_check.check(document, data, lists["controllers"], outputs)
    _holds(document, lists)
    _physics(document, data, lists["actuators"])


def _unique(document: Document, items: Items, what: str) -> None:
    seen: dict[str, KeyPath] = {}
    for path, item in items:
        name = item_id(item)
        if name in seen and name is not None:
            line = document.line((*seen[name], "id"))
            document.report(
                (*path, "id"),
                f"the {what} {name} is there already, on line {line}; ids are unique.",
            )
        elif name is not None:
            seen[name] = path


def series_of_outputs(data: dict[str, Any]) -> Iterator[tuple[KeyPath, str, str]]:
    """Where a channel of the node's own comes from, its id, and in words what it shows."""
    for path, item in mappings(data, "actuators"):
        if name := item_id(item):
            yield path, name, f"the output {name}"
    for path, item in mappings(data, "controllers"):
        if name := item_id(item):
            yield path, f"{name}_setpoint", f"the setpoint of controller {name}"
    for path, item in mappings(data, "kettles"):
        if name := item_id(item):
            yield path, f"{name}_alarms", f"the number of latches of kettle {name}"


def _clashes(document: Document, data: dict[str, Any], lists: dict[str, Items]) -> None:
    """Outputs and setpoints are channels, too: no two channels may have one id."""
    channels = {item_id(item): path for path, item in mappings(data, "channels")}
    for path, channel, what in series_of_outputs(data):
        if channel in channels:
            line = document.line((*channels[channel], "id"))
            document.report(
                (*path, "id"),
                f"{what} is recorded as channel {channel}, and a channel has that id on line "
                f"{line}; choose another one.",
            )
    interlocks = {item_id(item) for _, item in lists["interlocks"]}
    for path, item in lists["interlocks"]:
        if item_id(item) in _BUTTONS:
            document.report(
                (*path, "id"), f"{item_id(item)} is the name of a button; choose another."
            )
    for path, item in lists["actuators"]:
        if item_id(item) in interlocks:
            document.report(
                (*path, "id"), f"an interlock is called {item_id(item)}, too; choose another name."
            )


def _lines(document: Document, data: dict[str, Any], lists: dict[str, Items]) -> None:
    """Each pin and each level file once; what each driver needs."""
    seen: dict[tuple[str, object], tuple[KeyPath, str]] = {}
    for path, item, what in _all_lines(data, lists):
        driver = item.get("driver")
        key = {"gpio": "pin", "simulated": "file"}.get(driver) if isinstance(driver, str) else None
        if key is None:
            continue
        if key not in item:
            needs = "a pin (BCM number)" if key == "pin" else "a file to stand in for the pin"
            document.report(path, f"the key {key} is missing; the driver {driver} needs {needs}.")
            continue
        line = item[key]
        if isinstance(line, bool) or not isinstance(line, int | str):
            continue
        if (key, line) in seen:
            first, owner = seen[key, line]
            document.report(
                (*path, key),
                f"the {key} {line} is used already by {owner} on line "
                f"{document.line((*first, key))}; use each one once.",
            )
        else:
            seen[key, line] = (path, what)


def _all_lines(
    data: dict[str, Any], lists: dict[str, Items]
) -> Iterator[tuple[KeyPath, dict[str, Any], str]]:
    for key in ("actuators", "interlocks"):
        for path, item in lists[key]:
            yield path, item, f"{_WORDS[key]} {item_id(item)}"
    buttons = data.get("inputs")
    for name in _BUTTONS:
        button = buttons.get(name) if isinstance(buttons, dict) else None
        if isinstance(button, dict):
            yield ("inputs", name), button, f"the {name} button"
    guard = data.get("guard")
    if isinstance(guard, dict):
        yield ("guard",), guard, "the guard"


def _kettles(document: Document, data: dict[str, Any], lists: dict[str, Items]) -> None:
    known = [name for _, item in mappings(data, "kettles") if (name := item_id(item))]
    for key in ("actuators", "interlocks", "controllers"):
        for path, item in lists[key]:
            name = item.get("kettle")
            if isinstance(name, str) and name not in known:
                allowed = f"known are {', '.join(known)}" if known else "none is declared"
                document.report(
                    (*path, "kettle"),
                    f"the kettle {name} is not declared under kettles; {allowed}.",
                )
    for path, item in lists["actuators"]:
        kind = text_of(item, "kind")
        if kind in {"heater", "pump", "valve", "cooler"} and "kettle" not in item:
            document.report(
                path,
                f"the key kettle is missing; a {kind} is commanded by whoever holds the lease of "
                "its kettle.",
            )


def _output(
    document: Document,
    path: KeyPath,
    item: dict[str, Any],
    outputs: dict[str, tuple[KeyPath, dict[str, Any]]],
    lists: dict[str, Items],
) -> None:
    kind, control = text_of(item, "kind"), text_of(item, "control", "switch")
    for index, name in words_of(item, "requires"):
        if name not in outputs:
            document.report((*path, "requires", index), f"there is no output {name}.")
        elif outputs[name][1].get("kind") == "contactor":
            document.report(
                (*path, "requires", index),
                f"{name} is a contactor; name it under contactor instead.",
            )
    known = {item_id(other) for _, other in lists["interlocks"]}
    for index, name in words_of(item, "interlocks"):
        if name not in known:
            document.report((*path, "interlocks", index), f"there is no interlock {name}.")
    breaker = item.get("breaker")
    if isinstance(breaker, str):
        found = [other for _, other in lists["breakers"] if item_id(other) == breaker]
        if not found:
            document.report((*path, "breaker"), f"there is no breaker {breaker}.")
        elif "power_w" not in item:
            document.report(
                path,
                f"the key power_w is missing; the breaker {breaker} shares out watts, so it must "
                "know what this output draws.",
            )
        elif (
            _is_number(item["power_w"])
            and _is_number(found[0].get("max_w"))
            and item["power_w"] > found[0]["max_w"]
        ):
            document.report(
                (*path, "power_w"),
                f"{item['power_w']:g} W are more than the breaker {breaker} carries "
                f"({found[0]['max_w']:g} W): it could never be on.",
            )
    _contactor(document, path, item, outputs)
    if kind in {"heater", "contactor"} and item.get("safe") is True:
        document.report((*path, "safe"), f"a {kind} is off without a lease; its safe level is off.")
    window, least = item.get("window_s", 5), (item.get("min_on_s", 0), item.get("min_off_s", 0))
    if control == "power" and all(map(_is_number, (window, *least))) and sum(least) > window:
        document.report(
            (*path, "window_s"),
            f"min_on_s and min_off_s ({least[0]:g} s and {least[1]:g} s) do not fit into a window "
            f"of {window:g} s.",
        )
    if control == "power" and kind in {"contactor", "valve", "cooler"}:
        document.report((*path, "control"), f"a {kind} is a switch; it cannot be pulsed.")


def _contactor(
    document: Document,
    path: KeyPath,
    item: dict[str, Any],
    outputs: dict[str, tuple[KeyPath, dict[str, Any]]],
) -> None:
    if item.get("kind") == "heater" and "contactor" not in item:
        document.report(
            path,
            "the key contactor is missing; name the contactor in series with this heater, which "
            "every latch opens, or say contactor: null if there is none: then nothing here can cut "
            "off a relay that sticks.",
        )
    name = item.get("contactor")
    if not isinstance(name, str):
        return
    if item.get("kind") == "contactor":
        document.report((*path, "contactor"), "a contactor has no contactor of its own.")
    if name not in outputs:
        document.report((*path, "contactor"), f"there is no output {name}.")
    elif outputs[name][1].get("kind") != "contactor":
        found = outputs[name][1].get("kind")
        document.report((*path, "contactor"), f"{name} is a {found}, not a contactor.")


def _cycles(document: Document, outputs: dict[str, tuple[KeyPath, dict[str, Any]]]) -> None:
    """An output that requires itself, over however many others, could never be on."""
    edges = {
        name: [word for _, word in words_of(item, "requires") if word in outputs]
        for name, (_, item) in outputs.items()
    }
    reported: set[frozenset[str]] = set()
    for name, (path, _) in outputs.items():
        if (cycle := _cycle(name, edges)) and frozenset(cycle) not in reported:
            reported.add(frozenset(cycle))
            document.report(
                (*path, "requires"),
                f"{' requires '.join([*cycle, cycle[0]])}: none of them could ever be on.",
            )


def _cycle(start: str, edges: dict[str, list[str]]) -> list[str]:
    """A way from `start` back to it, or nothing."""
    ways = [[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        for name in edges[way[-1]]:
            if name == start:
                return way
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []


def _mutexes(document: Document, outputs: Items) -> None:
    members: dict[str, list[KeyPath]] = {}
    for path, item in outputs:
        if isinstance(item.get("mutex"), str):
            members.setdefault(item["mutex"], []).append(path)
    for name, paths in members.items():
        if len(paths) == 1:
            document.report(
                (*paths[0], "mutex"), f"{name} has one member only; a mutex is between two or more."
            )


def _holds(document: Document, lists: dict[str, Items]) -> None:
    """Only fermentation goes on without a lease: it is slow, and the node regulates it alone."""
    driven = {
        text_of(item, role)
        for _, item in lists["controllers"]
        if item.get("kind") == "fermentation"
        for role in ("heater", "cooler")
    }
    for path, item in lists["actuators"]:
        if isinstance(item.get("on_lease_loss"), dict) and item_id(item) not in driven:
            document.report(
                (*path, "on_lease_loss"),
                "only what a fermentation controller drives may hold without a lease; everything "
                "else goes to its safe level.",
            )


def _physics(document: Document, data: dict[str, Any], outputs: Items) -> None:
    """A dry kettle or a dead element shows by how fast it heats, which needs watts and litres."""
    volumes = {
        item_id(item): item.get("safety", {}).get("volume_l")
        for _, item in mappings(data, "kettles")
        if isinstance(item.get("safety", {}), dict)
    }
    for path, item in outputs:
        if item.get("kind") != "heater":
            continue
        if "power_w" not in item and "breaker" not in item:
            document.report(
                path,
                "the key power_w is missing; a heater that heats too fast or not at all shows by "
                "its watts.",
            )
        kettle = item.get("kettle")
        if isinstance(kettle, str) and kettle in volumes and volumes[kettle] is None:
            document.report(
                (*path, "kettle"),
                f"the kettle {kettle} has a heater, so it needs safety: {{volume_l: ...}}, the "
                "smallest volume that is heated.",
            )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
