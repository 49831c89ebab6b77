"""Prometheus text."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from storage_bridge.keeper import Keeper
from storage_bridge.metrics import render
from storage_bridge.records.model import Batch
from storage_bridge.tiers import embedded

STATUS: dict[str, Any] = {
    "source": {"connected": True, "counts": {"batches": 3}},
    "leads": True,
    "outbox": {
        "rows": 2, "samples": 20, "letters": 4, "bytes": 4096, "max_bytes": 9999,
        "full": False, "error": None,
        "counters": {"samples": 20}, "last_row": 7, "cursors": {"hot": 7, "warm": 5},
    },
    "following": {
        "batches": {"waiting": 1, "problem": None},
        "alarms": {"problem": "no connection", "counts": {"records": 2}},
    },
    "sinks": {
        "warm": {"last_success_age_s": None, "written": 1, "conflicts": 0, "rejected": 0,
                 "failures": 4},
    },
    "tiers": {
        "closed": {"cold": "refused"},
        "last_pass": {"error": "refused", "failed": []},
        "moved": {"copied": 4, "deleted": 9, "conflicts": 0, "failed": 1, "done": 2, "due": 5},
        "elsewhere": False,
        "records": {"archived": 7, "left": 3, "failing": 1},
    },
    "tasks": {"feed warm": {"restarts": 1, "unsteady": True}},
    "coverage": {'n"\\\n': [{"samples": 12, "lost": 3}, {"samples": 1, "lost": 0}]},
}  # fmt: skip


def test_every_line_is_well_formed_and_each_family_typed_once() -> None:
    text = render(STATUS, {0: 2, 10: 3})
    label = r'[a-z_]+="(?:[^"\\\n]|\\.)*"'
    sample = re.compile(rf"smart_beer_bridge_[a-z_]+(\{{{label}(,{label})*\}})? \S+")
    types = [line for line in text.splitlines() if line.startswith("#")]
    assert len(types) == len(set(types))
    for line in text.splitlines():
        assert line in types or sample.fullmatch(line), line
    assert 'sink_rows_behind{sink="warm"} 2' in text
    assert "archive_hours_left 3" in text
    assert "archive_records_total 7" in text
    assert "archive_records_left 3" in text
    assert "archive_records_failing 1" in text
    assert "outbox_letters 4" in text
    assert "batch_changes_waiting 1" in text
    assert 'following{part="alarms"} 0' in text
    assert 'following_events_total{part="alarms",kind="records"} 2' in text
    assert 'tier_closed{tier="cold"} 1' in text
    assert 'tier_closed{tier="hot"} 0' in text, "a figure that is absent alarms nobody"
    assert "archive_failing 1" in text
    assert 'task_unsteady{task="feed warm"} 1' in text
    assert 'node_samples{node="n\\"\\\\\\n"} 13' in text
    assert 'commit_latency_seconds_bucket{le="0.001"} 2' in text
    assert 'commit_latency_seconds_bucket{le="+Inf"} 5' in text
    assert "commit_latency_seconds_count 5" in text


@pytest.mark.parametrize(
    ("last_pass", "failing"),
    [
        (None, 0),
        ({"error": None, "failed": []}, 0),
        ({"error": None, "failed": ["An hour is damaged."]}, 1),
        ({"error": "No answer.", "failed": []}, 1),
    ],
)
def test_an_archive_that_does_not_get_on_is_a_figure(last_pass: object, failing: int) -> None:
    text = render({**STATUS, "tiers": {**STATUS["tiers"], "last_pass": last_pass}}, {})
    assert f"smart_beer_bridge_archive_failing {failing}\n" in text


async def test_records_that_wait_for_the_archive_are_a_figure(tmp_path: Path) -> None:
    tiers = embedded(tmp_path / "store.db")
    keeper = Keeper(tiers, hot_days=3, warm_days=30)
    await keeper.open_now()
    try:
        await tiers.warm.records.put([Batch("B001", "k", 1000, None, "B001", "", 0)])
        await keeper.archive_once()
        text = render({**STATUS, "tiers": keeper.status()}, {})
        assert "smart_beer_bridge_archive_records_total 0\n" in text, "it settles first"
        assert "smart_beer_bridge_archive_records_left 1\n" in text
        assert "smart_beer_bridge_archive_records_failing 0\n" in text
        follower = render({**STATUS, "tiers": {**keeper.status(), "elsewhere": True}}, {})
        assert "archive_records_left" not in follower, "the leader's bridge archives them"
    finally:
        await tiers.warm.records.close()
        await tiers.close()


def test_the_dashboard_asks_for_nothing_that_is_not_told() -> None:
    file = Path(__file__).parents[2] / "ha_config" / "grafana" / "storage-bridge.json"
    dashboard = json.loads(file.read_text())
    status = {**STATUS, "sinks": {"hot": {**STATUS["sinks"]["warm"], "last_success_age_s": 1.0}}}
    told = set(re.findall(r"^(smart_beer_bridge_\w+)[ {]", render(status, {0: 1}), re.MULTILINE))
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"smart_beer_bridge_\w+", target["expr"])
    }
    assert len(asked) >= 12
    assert asked <= told
    must = (
        "tier_closed", "archive_failing", "outbox_letters", "sink_conflicts_total",
        "archive_conflicts_total",
    )  # fmt: skip
    assert {f"smart_beer_bridge_{name}" for name in must} <= asked
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
