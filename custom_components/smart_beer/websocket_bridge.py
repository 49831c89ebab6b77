"""The commands of the storage bridge: it registers, subscribes and acknowledges."""

from typing import TYPE_CHECKING, Any, Final

import probatio
from homeassistant.auth.permissions.const import POLICY_READ
from homeassistant.components import websocket_api
from homeassistant.components.websocket_api.messages import construct_event_message
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import Unauthorized
from homeassistant.util.hass_dict import HassKey

from .alarm_book import ALARMS, AlarmsHub
from .bridge import BRIDGE, BridgeRegistration, is_bridge_user
from .samples_stream import Cursor
from .samples_subscription import SamplesHub, SamplesSubscription
from .validators import http_address, whole_number

if TYPE_CHECKING:
    from homeassistant.auth.models import User
    from homeassistant.components.websocket_api import ActiveConnection

HUB: HassKey[SamplesHub] = HassKey("smart_beer_samples")
# More nodes than any brewery has; a client must not fill the memory with cursors.
MAX_NODES: Final = 1000

_NAME = probatio.All(str, probatio.Length(min=1, max=255))
# It goes into a header, which takes no line break.
_SECRET = probatio.All(str, probatio.Match(r"^[\x21-\x7e]{1,255}\Z"))


@callback
def async_setup(hass: HomeAssistant) -> None:
    """Register the bridge's commands; once per start of Home Assistant."""
    hass.data[HUB] = SamplesHub()
    hass.data[ALARMS] = AlarmsHub(hass)
    hass.data[BRIDGE] = None
    websocket_api.async_register_command(hass, ws_register)
    websocket_api.async_register_command(hass, ws_samples)
    websocket_api.async_register_command(hass, ws_ack)
    websocket_api.async_register_command(hass, ws_alarms)


@websocket_api.websocket_command(
    {
        probatio.Required("type"): "smart_beer/bridge/register",
        probatio.Required("url"): http_address,
        probatio.Required("secret"): _SECRET,
        probatio.Required("version"): _NAME,
    }
)
@callback
def ws_register(hass: HomeAssistant, connection: ActiveConnection, msg: dict[str, Any]) -> None:
    """Make this bridge the one that is asked for history, until its connection closes."""
    user = connection.user
    if not (user.is_admin or is_bridge_user(user)):
        raise Unauthorized
    registration = BridgeRegistration(msg["url"], msg["secret"], msg["version"])
    hass.data[BRIDGE] = registration

    @callback
    def unregister() -> None:
        # A bridge that connects again does so before its old connection is known to be dead.
        if hass.data[BRIDGE] is registration:
            hass.data[BRIDGE] = None

    connection.subscriptions[msg["id"]] = unregister
    connection.send_result(msg["id"], {})


@websocket_api.websocket_command(
    {
        probatio.Required("type"): "smart_beer/samples",
        probatio.Required("cursors"): probatio.All(
            probatio.Schema({_NAME: probatio.ExactSequence([_NAME, whole_number])}),
            probatio.Length(max=MAX_NODES),
        ),
    }
)
@callback
def ws_samples(hass: HomeAssistant, connection: ActiveConnection, msg: dict[str, Any]) -> None:
    """Subscribe to all samples of all nodes after the cursors; one subscription a connection."""
    _require_bridge(connection.user)
    hub = hass.data[HUB]
    if connection in hub.subscriptions:
        connection.send_error(
            msg["id"],
            websocket_api.ERR_NOT_ALLOWED,
            "This connection has subscribed to samples already; unsubscribe first.",
        )
        return

    @callback
    def send(payload: bytes) -> None:
        connection.send_message(construct_event_message(msg["id"], payload))

    cursors = {node_id: Cursor(*cursor) for node_id, cursor in msg["cursors"].items()}
    subscription = SamplesSubscription(hass, hub, msg["id"], cursors, send)
    hub.subscriptions[connection] = subscription

    @callback
    def close() -> None:
        del hub.subscriptions[connection]
        subscription.close()

    connection.subscriptions[msg["id"]] = close
    connection.send_result(msg["id"])
    subscription.start()


@websocket_api.websocket_command(
    {
        probatio.Required("type"): "smart_beer/samples/ack",
        probatio.Required("subscription"): whole_number,
        probatio.Required("node_id"): _NAME,
        probatio.Required("spool_id"): _NAME,
        probatio.Required("seq"): whole_number,
    }
)
@callback
def ws_ack(hass: HomeAssistant, connection: ActiveConnection, msg: dict[str, Any]) -> None:
    """Free the slot of the node's batch whose `next` is `seq`."""
    subscription = hass.data[HUB].subscriptions.get(connection)
    if subscription is None or subscription.subscription_id != msg["subscription"]:
        connection.send_error(
            msg["id"],
            websocket_api.ERR_NOT_FOUND,
            f"There is no samples subscription {msg['subscription']} on this connection.",
        )
    elif not subscription.ack(msg["node_id"], Cursor(msg["spool_id"], msg["seq"])):
        connection.send_error(
            msg["id"],
            websocket_api.ERR_NOT_FOUND,
            f"No batch of node {msg['node_id']} that ends at {msg['seq']} of spool "
            f"{msg['spool_id']} was sent.",
        )
    else:
        connection.send_result(msg["id"])


@websocket_api.websocket_command({probatio.Required("type"): "smart_beer/alarms"})
@callback
def ws_alarms(hass: HomeAssistant, connection: ActiveConnection, msg: dict[str, Any]) -> None:
    """Subscribe to the alarms of all nodes and to who has seen them.

    Events are `{node_id, t, past, alarms: [{alarm_id, since, text, kettle_id, batch_id,
    acknowledged: {by, note, t} | null}]}`: all alarms of a node at `t`. First come those that were
    written down since a bridge first asked, `past` where a later one of the node follows.
    """
    _require_bridge(connection.user)

    @callback
    def send(page: dict[str, Any]) -> None:
        connection.send_event(msg["id"], page)

    connection.send_result(msg["id"])
    connection.subscriptions[msg["id"]] = hass.data[ALARMS].subscribe(send)


def _require_bridge(user: User) -> None:
    """Refuse people who are no admins: a subscription is for services, and costs as one."""
    if not (
        user.is_admin
        or (user.system_generated and user.permissions.access_all_entities(POLICY_READ))
    ):
        raise Unauthorized
