"""Breweries of 1, 100 and 1,000 kettles on paper, from what was measured a moment ago."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from storage_bridge.config_tiers import HOT_DAYS, HOURS_PER_MINUTE, WARM_DAYS

if TYPE_CHECKING:
    from .table import Report

PROBES: Final = 12  # a kettle's channels, each at 1 Hz
KETTLES: Final = (1, 100, 1000)
DAY_S: Final = 86_400
YEAR_S: Final = 365 * DAY_S
GB: Final = 1e9


@dataclass(frozen=True, slots=True)
class Measured:
    """Samples a second into hot, warm and cold; CPU (µs) a sample; bytes a sample in each."""

    rates: tuple[float, float, float]
    cpu_us: tuple[float, float, float]
    sizes: tuple[float, float, float]


def add_scale(report: Report, seen: Measured) -> None:
    """A row for each brewery and one for each wall."""
    hot, warm, cold = seen.sizes
    cpu = sum(seen.cpu_us)
    for kettles in KETTLES:
        rate = kettles * PROBES
        hot_gb = rate * DAY_S * HOT_DAYS * hot / GB
        warm_gb = rate * DAY_S * WARM_DAYS * warm / GB
        cold_gb = rate * YEAR_S * cold / GB
        report.add(
            f"{kettles:,} kettles ({rate:,} samples/s)",
            f"core {rate * cpu / 1e6:.1%}, hot {hot_gb:.2g} GB, warm {warm_gb:.2g} GB, "
            f"cold {cold_gb:.2g} GB/year",
        )
    hours_per_s = HOURS_PER_MINUTE / 60
    walls = {
        "hot: 8 GB of memory": (
            8 * GB / (DAY_S * HOT_DAYS * hot),
            "tiers.hot.keep_days, a cluster",
        ),
        "warm: 500 GB, before compression": (
            500 * GB / (DAY_S * WARM_DAYS * warm),
            "tiers.warm.keep_days",
        ),
        "cold: 4 TB for ten years": (
            4000 * GB / (10 * YEAR_S * cold),
            "tiers.cold.ttl_days, nodes",
        ),
        "bridge: one core, half of it free": (0.5e6 / cpu, "a bridge for each group of nodes"),
        "archiving as delivered": (hours_per_s / 2 * 3600, "tiers.cold.hours_per_minute"),
        "archiving as fast as it goes": (seen.rates[2], "a second mover"),
    }
    for wall, (limit, setting) in walls.items():
        report.add(
            f"wall, {wall}", f"{limit / PROBES:,.0f} kettles ({limit:,.0f} samples/s)", peer=setting
        )
    report.figures["walls"] = {wall: limit for wall, (limit, _) in walls.items()}
