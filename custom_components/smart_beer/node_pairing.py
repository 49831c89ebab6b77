"""Pairing as every flow does it: find the node, check who it is, only then spend the code."""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import probatio
from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_TOKEN
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    TextSelector,
)
from homeassistant.util.network import is_ip_address

from .client import pair, probe_identity
from .const import CONF_FINGERPRINT, CONF_NODE_ID, DOMAIN, HUB_ID, LOGGER, SUBENTRY_NODE
from .exceptions import (
    FingerprintMismatchError,
    NodeConnectionError,
    PairingLineError,
    PairingRefusedError,
    SmartBeerError,
    UnsupportedApiError,
)
from .models import API_NEWEST, API_OLDEST
from .pairing import DEFAULT_PORT, PairingLine, split_address

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from .models import Identity, PairedNode

CONF_PAIRING_LINE = "pairing_line"

HOST_SELECTOR = TextSelector()
LINE_SELECTOR = TextSelector()
PORT_SELECTOR = probatio.All(
    NumberSelector(NumberSelectorConfig(min=1, max=65535, mode=NumberSelectorMode.BOX)),
    probatio.Coerce(int),
)
PAIR_SCHEMA = probatio.Schema({probatio.Required(CONF_PAIRING_LINE): LINE_SELECTOR})


class FlowProblem(Exception):  # noqa: N818  it is shown in a form, no fault of the program
    """Why a step cannot go on: an error key of the translations, for the form's field `where`."""

    def __init__(self, key: str, where: str = "base", **placeholders: str) -> None:
        super().__init__(key)
        self.key = key
        self.where = where
        self.placeholders = placeholders


@dataclass(frozen=True, slots=True)
class Address:
    """Where a node answers."""

    host: str
    port: int


def typed_address(user_input: Mapping[str, Any], line: PairingLine | None = None) -> Address:
    """Return the address typed into a form (`host`, `host:port`, `[ipv6]:port`).

    The form's port goes first; what is missing comes from the pairing line. Raises FlowProblem
    `invalid_host` where no address can be made of it.
    """
    text = str(user_input.get(CONF_HOST) or "").strip()
    port = user_input.get(CONF_PORT)
    if not text and line is not None:
        return Address(line.host, port or line.port)
    if is_ip_address(text):
        host, found = text, line.port if line is not None else DEFAULT_PORT
    else:
        try:
            host, found = split_address(text)
        except PairingLineError as err:
            raise FlowProblem("invalid_host", CONF_HOST) from err
    return Address(host, port or found)


def parse_line(text: str) -> PairingLine:
    """Return the pasted pairing line; FlowProblem `invalid_pairing_line` where it is none."""
    try:
        return PairingLine.parse(text)
    except PairingLineError as err:
        raise FlowProblem("invalid_pairing_line", CONF_PAIRING_LINE) from err


def problem_of(err: SmartBeerError, host: str) -> FlowProblem:
    """Return what a form says about an error of the client, met at `host`."""
    match err:
        case FingerprintMismatchError():
            key = "fingerprint_mismatch"
        case NodeConnectionError():
            key = "cannot_connect"
        case UnsupportedApiError():
            return FlowProblem("api_too_new" if err.too_new else "api_too_old", found=host)
        case PairingRefusedError():
            return FlowProblem("pairing_refused", CONF_PAIRING_LINE)
        case _:
            key = "invalid_answer"
    return FlowProblem(key, host=host)


def check_api(identity: Identity) -> None:
    """Raise FlowProblem `api_too_new` or `api_too_old` where the node is not for us."""
    if not API_OLDEST <= identity.api <= API_NEWEST:
        key = "api_too_new" if identity.api > API_NEWEST else "api_too_old"
        raise FlowProblem(key, found=identity.node_id)


async def async_find(
    hass: HomeAssistant, line: PairingLine, addresses: Iterable[Address]
) -> tuple[Identity, Address]:
    """Return the node of the pairing line and the first of the addresses where it answers.

    Nothing secret is sent. Raises FlowProblem; where the addresses fail differently, that
    somebody else answers says more than that nobody does.
    """
    problems: list[FlowProblem] = []
    for address in dict.fromkeys(addresses):
        try:
            identity = await probe_identity(
                async_get_clientsession(hass), address.host, address.port
            )
        except SmartBeerError as err:
            LOGGER.debug("No node to pair with at %s:%s: %s", address.host, address.port, err)
            problems.append(problem_of(err, address.host))
            continue
        if identity.fingerprint.startswith(line.prefix):
            check_api(identity)
            return identity, address
        problems.append(FlowProblem("fingerprint_mismatch", host=address.host))
    raise min(problems, key=lambda problem: problem.key == "cannot_connect")


async def async_pair(
    hass: HomeAssistant,
    line: PairingLine,
    addresses: Iterable[Address],
    *,
    client_id: str,
    expected: str | None = None,
    taken: Collection[str] = (),
) -> PairedNode:
    """Pair with the node of the line and return it with its new token.

    `expected` is the id of the only node that will do; `taken` are ids that will not. Both are
    checked before the one-time code is spent. Raises FlowProblem.
    """
    identity, address = await async_find(hass, line, addresses)
    if expected is not None and identity.node_id != expected:
        raise FlowProblem("wrong_node", CONF_PAIRING_LINE, found=identity.node_id)
    if identity.node_id in taken:
        raise FlowProblem("already_configured", CONF_PAIRING_LINE, found=identity.node_id)
    try:
        return await pair(
            async_get_clientsession(hass),
            replace(line, host=address.host, port=address.port),
            client_name=_client_name(hass),
            client_id=client_id,
            scope="control",
        )
    except SmartBeerError as err:
        LOGGER.debug("Pairing with node %s failed: %s", identity.node_id, err)
        raise problem_of(err, address.host) from err


def _client_name(hass: HomeAssistant) -> str:
    """Return what the node lists us as: 1 to 64 printable characters."""
    name = "".join(char for char in hass.config.location_name if char.isprintable()).strip()
    return name[:64] or "Home Assistant"


def node_data(paired: PairedNode) -> dict[str, Any]:
    """Return the data of a node's subentry."""
    return {
        CONF_HOST: paired.host,
        CONF_PORT: paired.port,
        CONF_TOKEN: paired.token,
        CONF_FINGERPRINT: paired.identity.fingerprint,
        CONF_NODE_ID: paired.identity.node_id,
    }


@callback
def async_hub(hass: HomeAssistant) -> ConfigEntry[Any] | None:
    """Return the brewery's entry, if there is one."""
    return hass.config_entries.async_entry_for_domain_unique_id(DOMAIN, HUB_ID)


@callback
def async_node(entry: ConfigEntry[Any], node_id: str) -> ConfigSubentry | None:
    """Return the subentry of a node, if the brewery has it."""
    nodes = entry.get_subentries_of_type(SUBENTRY_NODE)
    return next((node for node in nodes if node.unique_id == node_id), None)


@callback
def async_store(hass: HomeAssistant, entry: ConfigEntry[Any], paired: PairedNode) -> bool:
    """Add the paired node, or give a node that is there its new pairing; return whether it is new.

    A new pairing always has to be stored: the node soon forgets the one before.
    """
    identity = paired.identity
    if (subentry := async_node(entry, identity.node_id)) is not None:
        hass.config_entries.async_update_subentry(entry, subentry, data=node_data(paired))
        return False
    return hass.config_entries.async_add_subentry(
        entry,
        ConfigSubentry(
            data=MappingProxyType(node_data(paired)),
            subentry_type=SUBENTRY_NODE,
            title=identity.name,
            unique_id=identity.node_id,
        ),
    )


def flow_unique_id(node_id: str) -> str:
    """Return the unique id of flows about a node; never HUB_ID, whatever the node is called."""
    return f"node:{node_id}"


@callback
def async_close_flows(hass: HomeAssistant, node_id: str, *, keep: str | None = None) -> None:
    """Close the discovery card and the reauthentication of a node that was just paired."""
    flows = hass.config_entries.flow
    for flow in flows.async_progress_by_handler(
        DOMAIN, match_context={"unique_id": flow_unique_id(node_id)}
    ):
        if flow["flow_id"] != keep:
            flows.async_abort(flow["flow_id"])
