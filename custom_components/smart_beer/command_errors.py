"""What a command can fail with, in the user's language."""

from typing import TYPE_CHECKING, Final

from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers.translation import async_get_cached_translations

from .const import DOMAIN
from .exceptions import NodeResponseError, SmartBeerError
from .lease_messages import OVERRIDE

if TYPE_CHECKING:
    from homeassistant.core import HomeAssistant

    from .models import Answer

# Why an output stays off although it was accepted, unless something is done about it. What
# passes by itself within seconds (minimum times, the breaker's share, the end of `max_on_s`) is
# shown, and is no error.
LASTING: Final = frozenset(
    {
        "lease",
        "process_value",
        "disagreement",
        "high_limit",
        "interlock",
        "requires",
        "mutex",
        "max_on_hour",
        "latched",
        "stop",
        "safe",
        "hold_expired",
        "output_failed",
    }
)
# The user asked for what cannot be; anything else is a failure of node, network or disk.
_INVALID: Final = frozenset(
    {
        "not_leader",
        "no_leader",
        "overridden",
        "not_yet",
        "latched",
        "out_of_range",
        "cause_lasts",
        "unknown_output",
        "unknown_alarm",
    }
) | {f"limited_{permit}" for permit in LASTING}


def error(key: str, **placeholders: str) -> HomeAssistantError:
    """The error of a key of `exceptions`."""
    made = ServiceValidationError if key in _INVALID else HomeAssistantError
    return made(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders
    )


def not_leading(kettle: str, leader: str | None) -> HomeAssistantError:
    """The error of a server that does not lead; `leader` is who does, as far as is known."""
    if leader is None:
        return error("no_leader", kettle=kettle)
    if leader == OVERRIDE:
        return error("overridden", kettle=kettle)
    return error("not_leader", kettle=kettle, leader=leader)


def limited(answer: Answer, output: str) -> HomeAssistantError | None:
    """The error for something that was to be on, and stays off; None while that will pass."""
    if answer.actual > 0 or answer.limited_by not in LASTING:
        return None
    return error(f"limited_{answer.limited_by}", output=output)


def refused(
    hass: HomeAssistant, err: SmartBeerError, *, node: str, kettle: str, output: str
) -> HomeAssistantError:
    """What the node, or the way to it, refused a command with."""
    if not isinstance(err, NodeResponseError) or err.code == "malformed":
        return error("node_unreachable", node=node, error=str(err))
    detail = err.detail
    match err.code:
        case "not_leader":
            holder, kettle = detail.get("holder"), str(detail.get("kettle_id", kettle))
            return not_leading(kettle, holder if isinstance(holder, str) else None)
        case "expired":
            return error("command_expired", node=node)
        case "stale_seq":
            return error("superseded", output=output)
        case "safety_latched":
            latch = latch_name(hass, str(detail.get("reason", "")))
            if "cause" in detail:
                return error("cause_lasts", latch=latch, cause=str(detail["cause"]))
            return error("latched", output=output, latch=latch)
        case "out_of_range":
            field, reason = str(detail.get("field", "")), str(detail.get("reason", ""))
            return error("out_of_range", field=field, reason=reason)
        case "not_stored":
            return error("not_stored", node=node)
        case "unknown_output" | "unknown_controller":
            return error("unknown_output", node=node, output=output)
        case "unknown_alarm":
            return error("unknown_alarm", node=node, alarm=output)
        case _:
            return error("node_refused", node=node, message=err.message)


def latch_name(hass: HomeAssistant, latch: str) -> str:
    """A latch in Home Assistant's language; its id if that has no name for it."""
    names = async_get_cached_translations(hass, hass.config.language, "selector", DOMAIN)
    return names.get(f"component.{DOMAIN}.selector.latch.options.{latch}", latch)
