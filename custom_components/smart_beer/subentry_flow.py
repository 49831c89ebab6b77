"""Adding a node to the brewery by hand, and changing how it is reached."""

from typing import Any

import probatio
from homeassistant.config_entries import ConfigSubentry, ConfigSubentryFlow, SubentryFlowResult
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_TOKEN
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from .client import SmartBeerClient
from .const import CONF_CLIENT_ID, CONF_FINGERPRINT, SUBENTRY_NODE
from .exceptions import NodeAuthError, SmartBeerError
from .node_pairing import (
    CONF_PAIRING_LINE,
    HOST_SELECTOR,
    LINE_SELECTOR,
    PORT_SELECTOR,
    Address,
    FlowProblem,
    async_close_flows,
    async_node,
    async_pair,
    async_store,
    node_data,
    parse_line,
    problem_of,
    typed_address,
)

ADD_SCHEMA = probatio.Schema(
    {
        probatio.Required(CONF_PAIRING_LINE): LINE_SELECTOR,
        probatio.Optional(CONF_HOST): HOST_SELECTOR,
        probatio.Optional(CONF_PORT): PORT_SELECTOR,
    }
)
CHANGE_SCHEMA = probatio.Schema(
    {
        probatio.Required(CONF_HOST): HOST_SELECTOR,
        probatio.Required(CONF_PORT): PORT_SELECTOR,
        probatio.Optional(CONF_PAIRING_LINE): LINE_SELECTOR,
    }
)


class NodeSubentryFlow(ConfigSubentryFlow):
    """Flow of one node of the brewery."""

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Pair a node with the line that it printed and add it."""
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            entry = self._get_entry()
            nodes = entry.get_subentries_of_type(SUBENTRY_NODE)
            try:
                line = parse_line(user_input[CONF_PAIRING_LINE])
                paired = await async_pair(
                    self.hass,
                    line,
                    [typed_address(user_input, line)],
                    client_id=entry.data[CONF_CLIENT_ID],
                    taken=[node.unique_id for node in nodes if node.unique_id],
                )
            except FlowProblem as problem:
                errors, placeholders = {problem.where: problem.key}, problem.placeholders
            else:
                node_id = paired.identity.node_id
                async_close_flows(self.hass, node_id)
                if async_node(entry, node_id) is not None:  # its discovery card was faster
                    async_store(self.hass, entry, paired)
                    return self.async_abort(
                        reason="already_configured", description_placeholders={"found": node_id}
                    )
                return self.async_create_entry(
                    title=paired.identity.name, data=node_data(paired), unique_id=node_id
                )
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(ADD_SCHEMA, user_input),
            errors=errors,
            description_placeholders=placeholders,
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Change a node's address, or pair it again; it has to stay the same node."""
        entry = self._get_entry()
        subentry = self._get_reconfigure_subentry()
        errors: dict[str, str] = {}
        placeholders = {"name": subentry.title}
        if user_input is not None:
            try:
                data = await self._async_changed(subentry, user_input)
            except FlowProblem as problem:
                placeholders |= problem.placeholders
                if problem.key == "wrong_node":
                    return self.async_abort(
                        reason="wrong_device", description_placeholders=placeholders
                    )
                errors = {problem.where: problem.key}
            else:
                return self.async_update_and_abort(entry, subentry, data=data)
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(
                CHANGE_SCHEMA, user_input or subentry.data
            ),
            errors=errors,
            description_placeholders=placeholders,
        )

    async def _async_changed(
        self, subentry: ConfigSubentry, user_input: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the node's new data once the node itself has confirmed it; raises FlowProblem."""
        node_id = str(subentry.unique_id)
        address = typed_address(user_input)
        if text := user_input.get(CONF_PAIRING_LINE, "").strip():
            line = parse_line(text)
            paired = await async_pair(
                self.hass,
                line,
                [address, Address(line.host, line.port)],
                client_id=self._get_entry().data[CONF_CLIENT_ID],
                expected=node_id,
            )
            async_close_flows(self.hass, node_id)
            return node_data(paired)
        client = SmartBeerClient(
            async_get_clientsession(self.hass),
            host=address.host,
            port=address.port,
            fingerprint=subentry.data[CONF_FINGERPRINT],
            token=subentry.data[CONF_TOKEN],
        )
        try:
            found = (await client.node()).node_id
        except NodeAuthError as err:
            raise FlowProblem("invalid_auth") from err
        except SmartBeerError as err:
            raise problem_of(err, address.host) from err
        if found != node_id:
            raise FlowProblem("wrong_node", found=found)
        return {**subentry.data, CONF_HOST: address.host, CONF_PORT: address.port}
