"""The words of a node that people meet, each with its text in the translations."""

from typing import Final

# What latches heat off, until somebody clears it through the leader.
LATCHES: Final = (
    "cross_talk",
    "no_rise",
    "over_temperature",
    "probes_lost",
    "safe",
    "stop_pressed",
    "stuck_relay",
    "too_fast",
)
# What may keep an output from being what was asked for.
PERMITS: Final = (
    "disagreement",
    "high_limit",
    "hold_expired",
    "interlock",
    "latched",
    "lease",
    "max_on",
    "max_on_hour",
    "min_off",
    "min_on",
    "mutex",
    "output_failed",
    "power_budget",
    "process_value",
    "requires",
    "safe",
    "stop",
)
