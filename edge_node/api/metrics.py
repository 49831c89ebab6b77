"""The node's figures as Prometheus reads them (text format 0.0.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from edge_node.api.operation import Call, Operation
from edge_node.tokens import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


async def get_metrics(call: Call) -> web.Response:
    """All figures in one text."""
    return web.Response(
        body=render(_families(call)).encode(),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )


class Family:
    """One metric: its type, what it means, and its values by labels."""

    def __init__(self, name: str, kind: str, meaning: str) -> None:
        self.name = f"smart_beer_{name}"
        self.kind = kind
        self.meaning = meaning
        self.values: list[tuple[dict[str, str], float]] = []

    def add(self, value: float | None, **labels: str) -> Family:
        """Add a value; None adds nothing, since what is unknown is absent, not zero."""
        if value is not None:
            self.values.append((labels, value))
        return self


def render(families: Iterable[Family]) -> str:
    """The text of these families; those without values are left out."""
    lines = []
    for family in families:
        if family.values:
            lines.append(f"# HELP {family.name} {_escape(family.meaning, quotes=False)}")
            lines.append(f"# TYPE {family.name} {family.kind}")
            for labels, value in family.values:
                inner = ",".join(f'{name}="{_escape(text)}"' for name, text in labels.items())
                lines.append(
                    f"{family.name}{{{inner}}} {value!r}" if inner else f"{family.name} {value!r}"
                )
    return "\n".join(lines) + "\n"


def _escape(text: str, *, quotes: bool = True) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quotes else text


def _families(call: Call) -> list[Family]:
    node, meter = call.node, call.services.meter
    state = node.state()
    health = state["health"]
    info = Family("info", "gauge", "What the node is.").add(
        1, node_id=node.identity.node_id, version=node.identity.version, model=node.identity.model
    )
    up = Family("up", "gauge", "Whether every part of the node works.").add(
        int(node.failing() is None)
    )
    kettles = {channel.id: channel.kettle_id or "" for channel in node.config.channels}
    units = {channel.id: channel.unit for channel in node.config.channels}
    value = Family("channel_value", "gauge", "Newest good or suspect reading, in its unit.")
    good = Family("channel_good", "gauge", "Whether the newest reading is ok.")
    for channel, reading in state["channels"].items():
        labels = {"channel": channel, "kettle": kettles.get(channel, "")}
        value.add(reading["value"], unit=units.get(channel, ""), **labels)
        good.add(int(reading["quality"] == "ok"), **labels)
    errors = Family("bus_errors_total", "counter", "Readings that failed, by cause.")
    for channel, causes in health["bus_errors"].items():
        for cause, count in causes.items():
            errors.add(count, channel=channel, cause=cause)
    replies = Family("api_replies_total", "counter", "Answers of the API, by HTTP status.")
    for status, count in sorted(meter.replies.items()):
        replies.add(count, status=str(status))
    cut = Family("api_connections_cut_total", "counter", "Connections cut, by reason.")
    for reason, count in sorted(meter.cut.items()):
        cut.add(count, reason=reason)
    return [
        info,
        up,
        value,
        good,
        errors,
        *_figures(node.spool.last_seq, health, call),
        *_outputs(call, state),
        replies,
        cut,
    ]


def _outputs(call: Call, state: Mapping[str, Any]) -> list[Family]:
    actuation = call.node.actuation
    if actuation is None:
        return []
    desired = Family("output_desired_percent", "gauge", "What the leader or a controller wants.")
    actual = Family("output_actual_percent", "gauge", "What the output is.")
    limited = Family("output_limited", "gauge", "The permit that keeps an output off.")
    for name, output in state["actuators"].items():
        desired.add(_percent(output["desired"]), output=name)
        actual.add(_percent(output["actual"]), output=name)
        if output["limited_by"] is not None:
            limited.add(1, output=name, permit=output["limited_by"])
    held = Family("lease_held", "gauge", "Whether a server leads the kettle here.")
    for kettle_id, kettle in state["kettles"].items():
        held.add(int(kettle["lease"]["holder"] is not None), kettle=kettle_id)
    latches = Family("latches", "gauge", "Latches that are set.").add(len(state["latches"]))
    commands = Family("commands_total", "counter", "Commands judged, by what came of them.")
    for key, count in sorted(actuation.counts.items()):
        if key.startswith("command_"):
            commands.add(count, outcome=key.removeprefix("command_"))
    ticks = Family("actuation_ticks_total", "counter", "Complete looks at the outputs.")
    failures = Family("actuation_failures_total", "counter", "Looks that failed: all was off.")
    return [
        desired,
        actual,
        limited,
        held,
        latches,
        commands,
        ticks.add(actuation.counts["ticks"]),
        failures.add(actuation.counts["tick_failures"]),
    ]


def _percent(value: bool | float) -> float:
    return (100.0 if value else 0.0) if isinstance(value, bool) else value


def _figures(last_seq: int, health: Mapping[str, Any], call: Call) -> list[Family]:
    spool, state = health["spool"], call.node.state()
    return [
        Family("spool_rows", "gauge", "Samples that can be served.").add(spool["rows"]),
        Family("spool_bytes", "gauge", "Bytes the spool takes on disk.").add(spool["bytes"]),
        Family("spool_lost_total", "counter", "Samples that could not be committed.").add(
            spool["lost"]
        ),
        Family("spool_last_seq", "gauge", "Newest seq that can be served.").add(last_seq),
        Family("alarms", "gauge", "Alarms that are up.").add(len(state["alarms"])),
        Family("clock_known", "gauge", "Whether the node knows the time.").add(
            int(call.node.clock.known)
        ),
        Family("clock_offset_milliseconds", "gauge", "The kernel's estimate.").add(
            health["clock_offset_ms"]
        ),
        Family("disk_free_bytes", "gauge", "Free for the data folder.").add(
            health["disk_free_bytes"]
        ),
        Family("cpu_temperature_celsius", "gauge", "Of the node's processor.").add(
            health["cpu_temperature"]
        ),
        Family("api_connections", "gauge", "Connections open now.").add(
            call.services.meter.connections
        ),
    ]


OPERATIONS = (
    Operation(
        method="GET",
        path="/metrics",
        handler=get_metrics,
        summary="The node's figures, for Prometheus",
        scope=Scope.READ,
        content={"text/plain": {"type": "string"}},
    ),
)
