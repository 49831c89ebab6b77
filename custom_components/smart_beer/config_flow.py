"""The brewery's own flow: the hub, nodes that announce themselves, and pairing them again."""

from typing import TYPE_CHECKING, Any, override
from uuid import uuid4

import probatio
from homeassistant.config_entries import (
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentry,
    ConfigSubentryFlow,
    OptionsFlow,
)
from homeassistant.const import CONF_HOST, CONF_NAME, CONF_PORT
from homeassistant.core import callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import TextSelector

from .client import SmartBeerClient, probe_identity
from .const import (
    CONF_CLIENT_ID,
    CONF_FINGERPRINT,
    CONF_NODE_ID,
    DOMAIN,
    HUB_ID,
    HUB_TITLE,
    LOGGER,
    SUBENTRY_NODE,
)
from .exceptions import SmartBeerError
from .node_pairing import (
    CONF_PAIRING_LINE,
    HOST_SELECTOR,
    LINE_SELECTOR,
    PAIR_SCHEMA,
    PORT_SELECTOR,
    Address,
    FlowProblem,
    async_close_flows,
    async_hub,
    async_node,
    async_pair,
    async_store,
    check_api,
    flow_unique_id,
    node_data,
    parse_line,
    typed_address,
)
from .options_flow import SmartBeerOptionsFlow
from .subentry_flow import NodeSubentryFlow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo

    from .models import Identity, PairedNode

HUB_SCHEMA = probatio.Schema(
    {
        probatio.Optional(CONF_PAIRING_LINE): LINE_SELECTOR,
        probatio.Optional(CONF_HOST): HOST_SELECTOR,
        probatio.Optional(CONF_PORT): PORT_SELECTOR,
    }
)
NAME_SCHEMA = probatio.Schema({probatio.Required(CONF_NAME): TextSelector()})


class SmartBeerConfigFlow(ConfigFlow, domain=DOMAIN):
    """Flow of the brewery (the hub entry) and of nodes found by zeroconf."""

    VERSION = 1
    MINOR_VERSION = 1

    _address: Address  # where the discovered node announced itself
    _identity: Identity  # of the discovered node, not verified before it is paired
    _subentry_id: str  # of the node to pair again

    @override
    @classmethod
    @callback
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry[Any]
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Return the flow of nodes."""
        return {SUBENTRY_NODE: NodeSubentryFlow}

    @override
    @staticmethod
    @callback
    def async_get_options_flow(config_entry: ConfigEntry[Any]) -> OptionsFlow:
        """Return the flow behind "Configure"."""
        return SmartBeerOptionsFlow()

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Create the brewery, with its first node where a pairing line is pasted."""
        await self.async_set_unique_id(HUB_ID, raise_on_progress=False)
        self._abort_if_unique_id_configured()
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            text = user_input.get(CONF_PAIRING_LINE, "").strip()
            if not text:
                return self._async_create_hub(uuid4().hex, None)
            client_id = uuid4().hex
            try:
                line = parse_line(text)
                paired = await async_pair(
                    self.hass, line, [typed_address(user_input, line)], client_id=client_id
                )
            except FlowProblem as problem:
                errors, placeholders = {problem.where: problem.key}, problem.placeholders
            else:
                return await self._async_add(client_id, paired)
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(HUB_SCHEMA, user_input),
            errors=errors,
            description_placeholders=placeholders,
        )

    @override
    async def async_step_zeroconf(self, discovery_info: ZeroconfServiceInfo) -> ConfigFlowResult:
        """Look at an announcement, which anybody in the network can make."""
        node_id = discovery_info.properties.get("node_id")
        if not node_id or not discovery_info.port:
            return self.async_abort(reason="not_smart_beer")
        await self.async_set_unique_id(flow_unique_id(node_id))
        self._abort_if_unique_id_configured()  # a person chose to ignore it
        self._address = Address(discovery_info.host, discovery_info.port)
        if (hub := async_hub(self.hass)) and (subentry := async_node(hub, node_id)):
            await self._async_follow(hub, subentry)
            if hub.state is ConfigEntryState.LOADED:
                running = hub.runtime_data.nodes.get(subentry.subentry_id)
                if running is not None:
                    running.async_wake()
            return self.async_abort(reason="already_configured")
        try:
            identity = await probe_identity(
                async_get_clientsession(self.hass), self._address.host, self._address.port
            )
            check_api(identity)
        except SmartBeerError as err:
            LOGGER.debug("Announced node %s does not answer: %s", node_id, err)
            return self.async_abort(reason="cannot_connect")
        except FlowProblem as problem:
            return self.async_abort(
                reason=problem.key, description_placeholders=problem.placeholders
            )
        if identity.node_id != node_id:
            return self.async_abort(reason="not_smart_beer")
        self._identity = identity
        self.context["title_placeholders"] = {"name": _plain(identity.name)}
        return await self.async_step_discovery_confirm()

    async def _async_follow(self, hub: ConfigEntry[Any], subentry: ConfigSubentry) -> None:
        """Take over a node's new address once the node with our pin has answered there."""
        address = self._address
        if (subentry.data[CONF_HOST], subentry.data[CONF_PORT]) == (address.host, address.port):
            return
        client = SmartBeerClient(
            async_get_clientsession(self.hass),
            host=address.host,
            port=address.port,
            fingerprint=subentry.data[CONF_FINGERPRINT],
            token=None,
        )
        try:
            found = (await client.identity()).node_id
        except SmartBeerError as err:
            LOGGER.info(
                "Node %s is said to be at %s:%s, but does not answer there; its address stays: %s",
                subentry.title,
                address.host,
                address.port,
                err,
            )
            return
        current = async_node(hub, found)
        if current is not None and current.subentry_id == subentry.subentry_id:
            self.hass.config_entries.async_update_subentry(
                hub,
                current,
                data={**current.data, CONF_HOST: address.host, CONF_PORT: address.port},
            )

    async def async_step_discovery_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show who announced itself and ask whether to add it."""
        if user_input is not None:
            return await self.async_step_pair()
        return self.async_show_form(
            step_id="discovery_confirm", description_placeholders=self._shown()
        )

    async def async_step_pair(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Pair with the announced node and add it to the brewery, new or not."""
        errors: dict[str, str] = {}
        placeholders = self._shown()
        if user_input is not None:
            hub = async_hub(self.hass)
            client_id = hub.data[CONF_CLIENT_ID] if hub else uuid4().hex
            try:
                line = parse_line(user_input[CONF_PAIRING_LINE])
                paired = await async_pair(
                    self.hass,
                    line,
                    [self._address, Address(line.host, line.port)],
                    client_id=client_id,
                    expected=self._identity.node_id,
                )
            except FlowProblem as problem:
                errors = {problem.where: problem.key}
                placeholders |= problem.placeholders
            else:
                return await self._async_add(client_id, paired)
        return self.async_show_form(
            step_id="pair",
            data_schema=PAIR_SCHEMA,
            errors=errors,
            description_placeholders=placeholders,
        )

    async def _async_add(self, client_id: str, paired: PairedNode) -> ConfigFlowResult:
        """Put the paired node into the brewery, or create the brewery with it."""
        async_close_flows(self.hass, paired.identity.node_id, keep=self.flow_id)
        if hub := async_hub(self.hass):
            added = async_store(self.hass, hub, paired)
            return self.async_abort(
                reason="node_added" if added else "already_configured",
                description_placeholders={"name": paired.identity.name},
            )
        await self.async_set_unique_id(HUB_ID, raise_on_progress=False)
        return self._async_create_hub(client_id, paired)

    @callback
    def _async_create_hub(self, client_id: str, paired: PairedNode | None) -> ConfigFlowResult:
        """Create the hub entry; call it only when there is none."""
        self._abort_if_unique_id_configured()
        return self.async_create_entry(
            title=HUB_TITLE,
            data={CONF_CLIENT_ID: client_id},
            subentries=[]
            if paired is None
            else [
                {
                    "data": node_data(paired),
                    "subentry_type": SUBENTRY_NODE,
                    "title": paired.identity.name,
                    "unique_id": paired.identity.node_id,
                }
            ],
        )

    def _shown(self) -> dict[str, str]:
        """Return what a person sees of the announced node, to compare it with the real one."""
        identity = self._identity
        return {
            "name": _plain(identity.name),
            "node_id": _plain(identity.node_id),
            "kettles": _plain(", ".join(kettle.name for kettle in identity.kettles)) or "-",
            "model": _plain(identity.model),
            "version": _plain(identity.version),
            "host": self._address.host,
            "fingerprint": identity.fingerprint[:32],
        }

    async def async_step_reauth(self, entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """Begin to pair the node with the given subentry id again."""
        self._subentry_id = entry_data["subentry_id"]
        if (node := self._get_reauth_entry().subentries.get(self._subentry_id)) is None:
            return self.async_abort(reason="node_removed")
        # Lets whoever pairs the node elsewhere find this flow and close it.
        await self.async_set_unique_id(
            flow_unique_id(node.data[CONF_NODE_ID]), raise_on_progress=False
        )
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for a new pairing line of the node that no longer knows our token."""
        entry = self._get_reauth_entry()
        if (node := entry.subentries.get(self._subentry_id)) is None:
            return self.async_abort(reason="node_removed")
        errors: dict[str, str] = {}
        placeholders = {"name": node.title, "node_id": node.data[CONF_NODE_ID]}
        if user_input is not None:
            try:
                line = parse_line(user_input[CONF_PAIRING_LINE])
                paired = await async_pair(
                    self.hass,
                    line,
                    [
                        Address(line.host, line.port),
                        Address(node.data[CONF_HOST], node.data[CONF_PORT]),
                    ],
                    client_id=entry.data[CONF_CLIENT_ID],
                    expected=node.data[CONF_NODE_ID],
                )
            except FlowProblem as problem:
                errors = {problem.where: problem.key}
                placeholders |= problem.placeholders
            else:
                async_store(self.hass, entry, paired)
                return self.async_abort(
                    reason="reauth_successful", translation_domain="homeassistant"
                )
        return self.async_show_form(
            step_id="reauth_confirm",
            data_schema=PAIR_SCHEMA,
            errors=errors,
            description_placeholders=placeholders,
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Rename the brewery."""
        entry = self._get_reconfigure_entry()
        if user_input is not None:
            return self.async_update_and_abort(entry, title=user_input[CONF_NAME])
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(NAME_SCHEMA, {CONF_NAME: entry.title}),
        )


def _plain(text: str) -> str:
    """Return what a stranger says of itself, as text that makes no link, picture or second line."""
    return "".join(char for char in text if char.isprintable() and char not in "[]<>`\\")[:100]
