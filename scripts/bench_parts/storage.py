"""The three stores: rates beside the bare drivers and beside peers, bytes, charts, scale.

Redis, MongoDB and Cassandra are started for it, as the tests start them.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from scripts.servers.mongo import MONGOD
from tests.storage_bridge.faults.stores import Stores

from .storage_data import CHANNELS, NODES, rows_of, stream
from .storage_flow import Cost, into_cold, into_hot, into_warm
from .storage_history import GROWTH, growth
from .storage_outage import outage
from .storage_peers import PEERS, rate
from .storage_scale import Measured, add_scale
from .storage_sizes import sizes
from .stored_size import measure
from .table import Report

if TYPE_CHECKING:
    from pathlib import Path

TITLE = "Redis, MongoDB and Cassandra behind the bridge, beside bare drivers and peers"
SHARE: Final = 0.7
TIMES: Final = 10
COLD_BYTES: Final = 1.0
PEER_EVENTS: Final = 1500
ROUNDS: Final = 3  # the best of each counts: the machine is shared


async def run(folder: Path) -> Report:
    """Everything, some ten minutes."""
    report = Report()
    stores = Stores(folder / "stores", quick_start=False)
    try:
        await asyncio.to_thread(stores.start)
        now_ms = time.time_ns() // 1_000_000
        costs = await _flows(report, stores, folder, now_ms)
        await _peers(report, stores, folder, costs, now_ms)
        bytes_of = await _sizes(report, stores, folder, now_ms)
        await _charts(report, stores, folder, now_ms)
    finally:
        await asyncio.to_thread(stores.kill)
    worst = {
        store: max(size[store] for size in bytes_of.values())
        for store in next(iter(bytes_of.values()))
    }
    add_scale(
        report,
        Measured(
            rates=(costs["hot"].rate, costs["warm"].rate, costs["cold"].rate),
            cpu_us=(costs["hot"].cpu_us, costs["warm"].cpu_us, costs["cold"].cpu_us),
            sizes=(worst["redis"], worst["mongo"], worst["cassandra"]),
        ),
    )
    server = "mongod" if MONGOD else "secantusdb in its place"
    report.notes += [
        f"MongoDB is {server}. {NODES} nodes of {CHANNELS} probes; the best of {ROUNDS} runs.",
        "CPU is that of the bridge's process, not of the servers.",
    ]
    return report


async def _flows(report: Report, stores: Stores, folder: Path, now_ms: int) -> dict[str, Cost]:
    messages = stream(now_ms)
    best: dict[str, Cost] = {}
    for tier in ("hot", "warm", "cold"):
        seen: list[tuple[Cost, Cost]] = []
        for number in range(ROUNDS):
            work = folder / f"flow-{number}"
            work.mkdir(exist_ok=True)
            await _emptied(stores)
            if tier == "hot":
                seen.append(await into_hot(stores, work, messages))
            elif tier == "warm":
                seen.append(await into_warm(stores, work, messages))
            else:
                seen.append(await into_cold(stores, number))
        ours = max((pair[0] for pair in seen), key=lambda cost: cost.rate)
        bare = max((pair[1] for pair in seen), key=lambda cost: cost.rate)
        share = ours.rate / bare.rate
        best[tier] = ours
        report.add(
            f"{'warm to cold' if tier == 'cold' else f'outbox into {tier}'}, samples/s",
            f"{ours.rate:,.0f} ({share:.2f} of the bare driver), {ours.cpu_us:.1f} us CPU a sample",
            target=f"at least {SHARE}",
            peer=f"bare {bare.rate:,.0f}, {bare.cpu_us:.1f} us",
            met=share >= SHARE,
        )
        report.figures[tier] = {"ours": ours._asdict(), "bare": bare._asdict(), "share": share}
    return best


async def _peers(
    report: Report, stores: Stores, folder: Path, costs: dict[str, Cost], now_ms: int
) -> None:
    both = 1 / (1 / costs["hot"].rate + 1 / costs["warm"].rate)
    events = rows_of(stream(now_ms))[:PEER_EVENTS]
    lost = await outage(stores, folder)
    for make in PEERS:
        each = await asyncio.to_thread(rate, stores, make, events)
        name = str(getattr(make, "name"))  # noqa: B009 - a class, said to be a function
        # The seed writes to two stores, as ours does; the others to one.
        ours = both if name == "seed" else costs["warm"].rate
        sent, gone = lost[name]
        report.add(
            f"{name} style into the same store, samples/s",
            f"{each:,.0f}; ours {ours:,.0f}, {ours / each:.1f} times",
            target=f"{TIMES} times",
            peer=f"lost {gone} of {sent} with the store away for a minute",
            met=ours >= TIMES * each,
        )
        report.figures[name] = {"rate": each, "sent": sent, "lost": gone}
    sent, gone = lost["ours"]
    report.add(
        "ours, lost with the store away for a minute", f"{gone} of {sent}", target="0", met=not gone
    )
    report.figures["lost"] = gone


async def _sizes(
    report: Report, stores: Stores, folder: Path, now_ms: int
) -> dict[str, dict[str, float]]:
    found = await sizes(stores, now_ms)
    files = await asyncio.to_thread(measure, folder / "sizes")
    for what, size in found.items():
        file = files[what]
        report.add(
            f"{what}, bytes a sample",
            f"Redis {size['redis']:.1f}, MongoDB {size['mongo']:.1f} (BSON), "
            f"Cassandra {size['cassandra']:.2f} (blobs {size['blob']:.2f})",
            target=f"cold <= {COLD_BYTES}",
            peer=f"embedded: warm {file['warm']:.1f}, cold {file['cold']:.2f}; "
            f"CSV {file['csv']:.0f}",
            met=size["cassandra"] <= COLD_BYTES and file["cold"] <= COLD_BYTES,
        )
        report.figures[what] = {**size, "embedded": file}
    return found


async def _charts(report: Report, stores: Stores, folder: Path, now_ms: int) -> None:
    figures: dict[str, Any] = {}
    for where, (small, large) in (await growth(stores, folder, now_ms)).items():
        for question, (p50, p95) in large.items():
            before = small.get(question)
            text = f"{p50:.0f} / {p95:.0f} ms"
            if before is not None:
                text = f"{before[0]:.0f} / {before[1]:.0f}, then {text}"
            # Twice, and a bit for what is too short to be measured here: growth would be ten times.
            met = None if before is None else p50 <= 2 * before[0] + 5
            if question.startswith("year"):
                met = p95 < 1000
            target = "well under 1 s" if question.startswith("year") else ""
            target = "does not grow" if before is not None else target
            report.add(f"{where}: chart of a {question}, p50 / p95", text, target=target, met=met)
        figures[where] = {"before": small, "after": large}
    report.figures["charts"] = figures
    report.notes.append(
        f"Charts of 1,000 points with 36 days of 8 series, then {GROWTH} times that."
    )


async def _emptied(stores: Stores) -> None:
    def empty() -> None:
        with stores.redis.client() as client:
            client.flushall()
        with stores.mongo.client() as mongo:
            for name in ("bench", "bare", "moved"):
                mongo.drop_database(name)

    await asyncio.to_thread(empty)
