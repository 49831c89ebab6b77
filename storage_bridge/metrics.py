"""The bridge's figures as Prometheus text."""

from typing import TYPE_CHECKING, Any, Final

from .outbox_latency import upper

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROLES: Final = ("hot", "warm", "cold")


def render(status: Mapping[str, Any], latency: Mapping[int, int]) -> str:
    """Text exposition format 0.0.4 of a status; holds counts and ids, never values or secrets."""
    out = _Lines()
    outbox = status["outbox"]
    source = status["source"]
    out.one("gauge", "source_connected", int(source["connected"]))
    for kind, n in sorted(source["counts"].items()):
        out.add("counter", "source_events_total", n, kind=kind)
    out.one("gauge", "outbox_rows", outbox["rows"])
    out.one("gauge", "outbox_samples", outbox["samples"])
    out.one("gauge", "outbox_letters", outbox["letters"])
    out.one("gauge", "outbox_bytes", outbox["bytes"])
    out.one("gauge", "outbox_max_bytes", outbox["max_bytes"])
    out.one("gauge", "outbox_full", int(outbox["full"]))
    out.one("gauge", "outbox_failing", int(outbox["error"] is not None))
    for name, n in sorted(outbox["counters"].items()):
        out.add("counter", "outbox_events_total", n, kind=name)
    for sink, row_id in sorted(outbox["cursors"].items()):
        out.add("gauge", "sink_rows_behind", max(0, outbox["last_row"] - row_id), sink=sink)
    for sink, tier in sorted(status["sinks"].items()):
        if tier["last_success_age_s"] is not None:
            out.add("gauge", "sink_last_success_age_seconds", tier["last_success_age_s"], sink=sink)
        for kind in ("written", "conflicts", "rejected", "failures"):
            out.add("counter", f"sink_{kind}_total", tier[kind], sink=sink)
    following = status["following"]
    out.one("gauge", "batch_changes_waiting", following["batches"]["waiting"])
    for part in sorted(following.keys() - {"batches"}):
        out.add("gauge", "following", int(following[part]["problem"] is None), part=part)
        for kind, n in sorted(following[part]["counts"].items()):
            out.add("counter", "following_events_total", n, part=part, kind=kind)
    for tier in _ROLES:
        out.add("gauge", "tier_closed", int(tier in status["tiers"]["closed"]), tier=tier)
    done, moved = status["tiers"]["last_pass"], status["tiers"]["moved"]
    failing = done is not None and bool(done["error"] or done["failed"])
    out.one("gauge", "archive_failing", int(failing))
    out.one("counter", "archive_chunks_total", moved["copied"])
    out.one("counter", "archive_samples_total", moved["deleted"])
    out.one("counter", "archive_conflicts_total", moved["conflicts"])
    out.one("counter", "archive_failures_total", moved["failed"])
    out.one("gauge", "archive_hours_left", moved["due"] - moved["done"])
    records = status["tiers"]["records"]
    out.one("counter", "archive_records_total", records["archived"])
    if not status["tiers"]["elsewhere"]:  # else the leader's bridge archives them, and tells of it
        out.one("gauge", "archive_records_left", records["left"])
        out.one("gauge", "archive_records_failing", records["failing"])
    for name, task in sorted(status["tasks"].items()):
        out.add("counter", "task_restarts_total", task["restarts"], task=name)
        out.add("gauge", "task_unsteady", int(task["unsteady"]), task=name)
    for node_id, spools in sorted(status["coverage"].items()):
        out.add("gauge", "node_samples", sum(s["samples"] for s in spools), node=node_id)
        lost = sum(s["lost"] for s in spools)
        out.add("gauge", "node_samples_lost", lost, node=node_id)
    out.histogram("commit_latency_seconds", latency)
    return out.text()


class _Lines:
    def __init__(self) -> None:
        self._families: dict[str, tuple[str, list[str]]] = {}

    def one(self, kind: str, name: str, value: float) -> None:
        self.add(kind, name, value)

    def add(self, kind: str, name: str, value: float, /, **labels: str) -> None:
        name = f"smart_beer_bridge_{name}"
        shown = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
        lines = self._families.setdefault(name, (kind, []))[1]
        lines.append(f"{name}{{{shown}}} {value}" if shown else f"{name} {value}")

    def histogram(self, name: str, counts: Mapping[int, int]) -> None:
        """Cumulative counts at each non-empty bucket's upper bound, of which the sum is made."""
        name = f"smart_beer_bridge_{name}"
        lines = self._families.setdefault(name, ("histogram", []))[1]
        seen = 0
        total = 0.0
        for bucket in sorted(counts):
            seen += counts[bucket]
            total += counts[bucket] * upper(bucket) / 1000
            lines.append(f'{name}_bucket{{le="{upper(bucket) / 1000:.6g}"}} {seen}')
        lines += [f'{name}_bucket{{le="+Inf"}} {seen}', f"{name}_sum {total:.6g}"]
        lines.append(f"{name}_count {seen}")

    def text(self) -> str:
        parts = []
        for name, (kind, lines) in self._families.items():
            parts += [f"# TYPE {name} {kind}", *lines]
        return "\n".join(parts) + "\n"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
