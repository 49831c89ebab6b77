"""What a person has to decide or to mend, as repair issues with fix flows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, override

from homeassistant.components.repairs import ConfirmRepairFlow, RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import CONF_CLIENT_ID, DOMAIN
from .node_pairing import (
    CONF_PAIRING_LINE,
    PAIR_SCHEMA,
    Address,
    FlowProblem,
    async_close_flows,
    async_node,
    async_pair,
    async_store,
    parse_line,
)

if TYPE_CHECKING:
    from homeassistant.config_entries import ConfigEntry


LEARN_MORE: Final = "https://github.com/smart-beer/smart-beer#repairs"


@dataclass(frozen=True, slots=True)
class Issue:
    """How one kind of issue is shown.

    `extra` are the placeholders its texts need; those `about` a node have `name`, `node_id` and
    `host` besides, which are filled in from the node's subentry. `persistent` marks what happened
    once and nobody will raise again: it stays, over restarts, until someone confirms it.
    """

    severity: ir.IssueSeverity
    about: Literal["node", "kettle", "brewery"] = "node"
    fixable: bool = False
    persistent: bool = False
    extra: frozenset[str] = frozenset()


ISSUES: dict[str, Issue] = {
    "fingerprint_changed": Issue(ir.IssueSeverity.ERROR, fixable=True),
    "other_node": Issue(ir.IssueSeverity.ERROR, extra=frozenset({"found"})),
    "api_too_new": Issue(ir.IssueSeverity.ERROR, extra=frozenset({"api"})),
    "api_too_old": Issue(ir.IssueSeverity.ERROR, extra=frozenset({"api"})),
    "kettles_changed": Issue(
        ir.IssueSeverity.ERROR, fixable=True, extra=frozenset({"before", "now"})
    ),
    "spool_replaced": Issue(ir.IssueSeverity.WARNING, fixable=True, persistent=True),
    "clock_stepped": Issue(
        ir.IssueSeverity.WARNING, fixable=True, persistent=True, extra=frozenset({"seconds"})
    ),
    "node_disk_full": Issue(ir.IssueSeverity.ERROR, extra=frozenset({"lost"})),
    "lovelace_yaml": Issue(ir.IssueSeverity.WARNING, about="brewery", extra=frozenset({"url"})),
    "members_differ": Issue(
        ir.IssueSeverity.ERROR, about="kettle", extra=frozenset({"kettle", "groups"})
    ),
    "server_id_twice": Issue(
        ir.IssueSeverity.ERROR, about="brewery", extra=frozenset({"kettles", "server_id"})
    ),
}


def issue_id(key: str, subject: str | None) -> str:
    """Return the id of an issue: its key, and the node or kettle it is about, if it is."""
    return key if subject is None else f"{key}_{subject}"


@callback
def async_raise(
    hass: HomeAssistant,
    entry: ConfigEntry[Any] | None,
    key: str,
    subject: str | None = None,
    **placeholders: str,
) -> None:
    """Show the issue `key` of ISSUES, about the node or kettle with the id `subject`.

    Raising it again only refreshes its texts. Raises KeyError for an unknown key and
    ValueError where a placeholder of ISSUES is missing.
    """
    issue = ISSUES[key]
    if missing := issue.extra - placeholders.keys():
        raise ValueError(f"Issue {key} about {subject} lacks the placeholders {sorted(missing)}.")
    node = subject if issue.about == "node" else None
    data: dict[str, str | int | float | None] = {"key": key, "node_id": node}
    if entry is not None:
        data["entry_id"] = entry.entry_id
    if node is not None:
        placeholders = {**_node_placeholders(entry, node), **placeholders}
    ir.async_create_issue(
        hass,
        DOMAIN,
        issue_id(key, subject),
        config_entry_id=None if entry is None else entry.entry_id,
        data=data,
        is_fixable=issue.fixable,
        is_persistent=issue.persistent,
        learn_more_url=LEARN_MORE,
        severity=issue.severity,
        translation_key=key,
        translation_placeholders=placeholders,
    )


@callback
def async_clear(
    hass: HomeAssistant,
    entry: ConfigEntry[Any] | None,  # noqa: ARG001  the twin of async_raise
    key: str,
    subject: str | None = None,
) -> None:
    """Take the issue back; none there is fine."""
    ir.async_delete_issue(hass, DOMAIN, issue_id(key, subject))


@callback
def _node_placeholders(entry: ConfigEntry[Any] | None, node_id: str) -> dict[str, str]:
    """Return what every text about a node may name."""
    subentry = None if entry is None else async_node(entry, node_id)
    if subentry is None:
        return {"name": node_id, "node_id": node_id, "host": "?"}
    return {"name": subentry.title, "node_id": node_id, "host": subentry.data[CONF_HOST]}


class PairAgainFlow(RepairsFlow):
    """Pair a node again whose certificate is no longer the pinned one."""

    def __init__(self, entry: ConfigEntry[Any], node_id: str) -> None:
        super().__init__()
        self._entry = entry
        self._node_id = node_id

    async def async_step_init(
        self,
        user_input: dict[str, Any] | None = None,  # noqa: ARG002  the issue's id, we have it
    ) -> RepairsFlowResult:
        """Begin."""
        return await self.async_step_confirm()

    async def async_step_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Ask for a pairing line, which only the person at the node can print."""
        node = async_node(self._entry, self._node_id)
        if node is None:
            return self.async_abort(reason="node_removed")
        errors: dict[str, str] = {}
        placeholders = _node_placeholders(self._entry, self._node_id)
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
                    client_id=self._entry.data[CONF_CLIENT_ID],
                    expected=self._node_id,
                )
            except FlowProblem as problem:
                errors = {problem.where: problem.key}
                placeholders |= problem.placeholders
            else:
                async_close_flows(self.hass, self._node_id)
                async_store(self.hass, self._entry, paired)
                return self.async_create_entry(data={})
        return self.async_show_form(
            step_id="confirm",
            data_schema=PAIR_SCHEMA,
            errors=errors,
            description_placeholders=placeholders,
        )


class AcceptKettlesFlow(ConfirmRepairFlow):
    """Go on with a node whose kettles are no longer those it was added with."""

    def __init__(self, entry: ConfigEntry[Any], node_id: str) -> None:
        super().__init__()
        self._entry = entry
        self._node_id = node_id

    @override
    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Accept the kettles once the person has seen what changed."""
        if user_input is not None:
            if self._entry.state is not ConfigEntryState.LOADED:
                return self.async_abort(reason="not_loaded")
            for node in self._entry.runtime_data.nodes.values():
                if node.node_id == self._node_id:
                    node.async_accept_kettles()
        return await super().async_step_confirm(user_input)


async def async_create_fix_flow(
    hass: HomeAssistant,
    issue_id: str,  # noqa: ARG001  the data says the same, already taken apart
    data: dict[str, str | int | float | None] | None,
) -> RepairsFlow:
    """Return the flow that mends an issue; the others are only read and confirmed."""
    data = data or {}
    entry = hass.config_entries.async_get_entry(str(data.get("entry_id")))
    if entry is not None:
        match data:
            case {"key": "fingerprint_changed", "node_id": str(node_id)}:
                return PairAgainFlow(entry, node_id)
            case {"key": "kettles_changed", "node_id": str(node_id)}:
                return AcceptKettlesFlow(entry, node_id)
    return ConfirmRepairFlow()
