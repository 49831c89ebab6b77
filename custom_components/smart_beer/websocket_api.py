"""The websocket commands of the brewery: for cards, and for the storage bridge."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import probatio
from homeassistant.auth.permissions.const import POLICY_READ
from homeassistant.components import websocket_api
from homeassistant.components.websocket_api.messages import construct_result_message
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import Unauthorized

from . import websocket_bridge
from .bridge_http import BridgeError
from .export import ExportView
from .feed_watch import Node, async_nodes, spool_of
from .history import async_history
from .live import LiveSubscription
from .series import async_series
from .stored_batches import async_batch, async_batches
from .validators import BATCH, SERIES, whole_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from homeassistant.components.websocket_api import ActiveConnection

MAX_SERIES: Final = 32
MAX_POINTS: Final = 5000

_KETTLE: Final = probatio.All(str, probatio.Length(min=1, max=255))


async def async_setup(hass: HomeAssistant) -> None:
    """Register all commands and the export view; once per start of Home Assistant."""
    websocket_bridge.async_setup(hass)
    websocket_api.async_register_command(hass, ws_series)
    websocket_api.async_register_command(hass, ws_spools)
    websocket_api.async_register_command(hass, ws_live)
    websocket_api.async_register_command(hass, ws_history)
    websocket_api.async_register_command(hass, ws_batches)
    websocket_api.async_register_command(hass, ws_batch)
    hass.http.register_view(ExportView())


@websocket_api.websocket_command({probatio.Required("type"): "smart_beer/series"})
@callback
def ws_series(hass: HomeAssistant, connection: ActiveConnection, msg: dict[str, Any]) -> None:
    """Which series there are, whose they are, and in which unit to show them."""
    _require_read(connection)
    connection.send_result(msg["id"], {"series": async_series(hass)})


@websocket_api.websocket_command({probatio.Required("type"): "smart_beer/spools"})
@callback
def ws_spools(hass: HomeAssistant, connection: ActiveConnection, msg: dict[str, Any]) -> None:
    """What each node's spool held when it last answered; `spool_id` null until it has."""
    _require_read(connection)
    nodes = {node_id: _describe_spool(node) for node_id, node in async_nodes(hass).items()}
    connection.send_result(msg["id"], {"nodes": nodes})


@websocket_api.websocket_command(
    {
        probatio.Required("type"): "smart_beer/live",
        probatio.Required("series"): probatio.All([SERIES], probatio.Length(min=1, max=MAX_SERIES)),
    }
)
@callback
def ws_live(hass: HomeAssistant, connection: ActiveConnection, msg: dict[str, Any]) -> None:
    """Subscribe to the newest samples of some series."""
    _require_read(connection)

    @callback
    def send(event: dict[str, Any]) -> None:
        connection.send_event(msg["id"], event)

    live = LiveSubscription(hass, frozenset(msg["series"]), send)
    connection.subscriptions[msg["id"]] = live.close
    connection.send_result(msg["id"])
    live.start()


@websocket_api.websocket_command(
    {
        probatio.Required("type"): "smart_beer/history",
        probatio.Required("series"): probatio.All([SERIES], probatio.Length(min=1, max=MAX_SERIES)),
        probatio.Required("start"): whole_number,
        probatio.Required("end"): whole_number,
        probatio.Required("points"): probatio.All(
            whole_number, probatio.Range(min=1, max=MAX_POINTS)
        ),
    }
)
@websocket_api.async_response
async def ws_history(
    hass: HomeAssistant, connection: ActiveConnection, msg: dict[str, Any]
) -> None:
    """Stored samples as buckets, from the bridge that is registered."""
    _require_read(connection)
    with _why_not(connection, msg):
        reply = await async_history(hass, msg["series"], msg["start"], msg["end"], msg["points"])
        connection.send_message(construct_result_message(msg["id"], reply))


@websocket_api.websocket_command(
    {
        probatio.Required("type"): "smart_beer/batches",
        probatio.Optional("start"): whole_number,
        probatio.Optional("end"): whole_number,
        probatio.Optional("kettle"): _KETTLE,
    }
)
@websocket_api.async_response
async def ws_batches(
    hass: HomeAssistant, connection: ActiveConnection, msg: dict[str, Any]
) -> None:
    """The batches that began in a range (UTC ms), of all kettles or of one, oldest first."""
    _require_read(connection)

    with _why_not(connection, msg):
        reply = await async_batches(hass, msg.get("start"), msg.get("end"), msg.get("kettle"))
        connection.send_result(msg["id"], reply)


@websocket_api.websocket_command(
    {probatio.Required("type"): "smart_beer/batch", probatio.Required("batch"): BATCH}
)
@websocket_api.async_response
async def ws_batch(hass: HomeAssistant, connection: ActiveConnection, msg: dict[str, Any]) -> None:
    """A batch with its kettles, series, alarms, acknowledgements and notes."""
    _require_read(connection)
    with _why_not(connection, msg):
        reply = await async_batch(hass, msg["batch"])
        connection.send_message(construct_result_message(msg["id"], reply))


@contextmanager
def _why_not(connection: ActiveConnection, msg: dict[str, Any]) -> Iterator[None]:
    """Tell the client why the bridge does not answer."""
    try:
        yield
    except BridgeError as err:
        connection.send_error(msg["id"], err.code, str(err))


def _describe_spool(node: Node) -> dict[str, Any]:
    spool_id = spool_of(node)
    first, last, holes = node.feed.first_seq, node.feed.node_last_seq, node.feed.holes
    if spool_id != node.feed.spool_id and node.info is not None:
        spool = node.info.spool
        first, last, holes = spool.first_seq, spool.last_seq, [list(hole) for hole in spool.holes]
    return {
        "spool_id": spool_id,
        "first_seq": first,
        "last_seq": last,
        "holes": holes,
        "connected": node.connected,
    }


def _require_read(connection: ActiveConnection) -> None:
    """Refuse users who may not read everything: series know nothing of entity permissions."""
    if not connection.user.permissions.access_all_entities(POLICY_READ):
        raise Unauthorized
