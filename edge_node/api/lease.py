"""Leases: who may command a kettle, for seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edge_node.api.errors import ApiError, quoted, reply
from edge_node.api.operation import Call, Operation
from edge_node.api.replies import FLAG, TEXT, TEXT_OR_NULL, WHOLE, array, json_reply
from edge_node.api.schema import (
    Field,
    Integer,
    ListOf,
    Number,
    Object,
    OrNull,
    Parameter,
    Text,
)
from edge_node.lease import MAX_EPOCH, Refused
from edge_node.tokens import Scope

if TYPE_CHECKING:
    from aiohttp import web

BUCKET = "lease"  # the rate limit of everything that keeps a kettle safe
MAX_MONO_MS = 2**53 - 1

MESSAGES = {
    "bad_echo": "the echoed stamp is not of this boot of the node, or not of the last seconds: "
    "take boot_id and mono_ms from a reply that just came",
    "stale_epoch": "this epoch, or a higher one, is promised to another server: use one above "
    "promised_epoch",
    "epoch_leap": "this epoch is so far above what was promised that it would soon leave none for "
    "any server: use one above promised_epoch, in small steps",
    "held": "another server holds this kettle: wait until its lease has run out",
    "members_mismatch": "the kettle's nodes are not those that this node's configuration lists: "
    "give all nodes of the kettle the same `group`",
    "quarantine": "the node has just started and waits until every lease of before has run out: "
    "try again after retry_ms",
    "not_holder": "this server does not hold the kettle (any more): acquire it again",
    "cannot_store": "the promise cannot be written to the node's disk, so that nothing is granted: "
    "look for a full or broken disk",
    "wrong_boot": "the node has restarted since this command was made: take boot_id from a reply "
    "that just came",
    "not_leader": "another server, or none, holds this kettle: commands go through its leader",
    "expired": "the command came after its not_after_ms: it is too old to be obeyed",
    "stale_seq": "a later command of this lease has been obeyed already",
}


def as_error(kettle_id: str, refused: Refused) -> ApiError:
    """The refusal of a lease in the API's words."""
    return ApiError(
        refused.status,
        refused.code,
        f"kettle {kettle_id}: {MESSAGES[refused.code]}",
        detail=refused.detail,
    )


async def get_lease(call: Call) -> web.Response:
    """One kettle's lease; every reply of the node can be echoed to acquire or renew."""
    kettle_id = call.query["kettle_id"]
    if kettle_id is None:
        raise ApiError(
            400, "missing_parameter", "say which kettle: ?kettle_id=", detail={"kettle_id": None}
        )
    return reply(call.node, call.leases.status(_known(call, kettle_id)))


async def acquire(call: Call) -> web.Response:
    """Ask for the lease. What the kettle's outputs were told before is cleared by a grant."""
    kettle_id, body = _known(call, call.body["kettle_id"]), call.body
    refused = await call.leases.acquire(
        kettle_id, **_who(body), **_echo(body), members_hash=body.get("members_hash")
    )
    if refused is not None:
        raise as_error(kettle_id, refused)
    return reply(call.node, {"granted": True, **call.leases.status(kettle_id)})


async def renew(call: Call) -> web.Response:
    """Prolong a running lease, and tell the node what the kettle's other probes say."""
    kettle_id, body = _known(call, call.body["kettle_id"]), call.body
    refused = call.leases.renew(kettle_id, **_who(body), **_echo(body))
    if refused is not None:
        raise as_error(kettle_id, refused)
    if "reference" in body:
        call.leases.refer(kettle_id, body["reference"], body["echo"]["mono_ms"])
    return reply(call.node, call.leases.status(kettle_id))


async def release(call: Call) -> web.Response:
    """Give the lease back; the kettle's outputs go to their safe state."""
    kettle_id = _known(call, call.body["kettle_id"])
    refused = call.leases.release(kettle_id, **_who(call.body))
    if refused is not None:
        raise as_error(kettle_id, refused)
    return reply(call.node, call.leases.status(kettle_id))


def _known(call: Call, kettle_id: str) -> str:
    if kettle_id not in call.leases:
        raise ApiError(
            404,
            "unknown_kettle",
            f"this node serves no kettle {quoted(kettle_id)}; it serves: "
            f"{', '.join(call.leases) or 'none'}",
            detail={"known": list(call.leases)},
        )
    return kettle_id


def _who(body: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in ("server_id", "session", "epoch")}


def _echo(body: dict[str, Any]) -> dict[str, Any]:
    return {"echo_boot": body["echo"]["boot_id"], "echo_ms": body["echo"]["mono_ms"]}


KETTLE = Field(name="kettle_id", kind=Text(), description="the kettle")
WHO = (
    Field(name="server_id", kind=Text(), description="the server's own id, never copied"),
    Field(name="session", kind=Text(), description="random at every start of the server"),
    Field(
        name="epoch",
        kind=Integer(1, MAX_EPOCH),
        description="the number of the leadership; it only grows",
    ),
)
ECHO = Field(
    name="echo",
    kind=Object(
        Field(name="boot_id", kind=Text(), description="of a reply of this node"),
        Field(name="mono_ms", kind=Integer(0, MAX_MONO_MS), description="of the same reply"),
    ),
    description="the node's own stamp, from which the lease counts",
)
MEMBERS = Field(
    name="members_hash",
    kind=Text(min_length=16, max_length=16, pattern="[0-9a-f]{16}"),
    description="of the kettle's nodes as the server knows them",
    required=False,
)
REFERENCE = Field(
    name="reference",
    kind=Object(
        Field(
            name="value",
            kind=OrNull(Number(-60, 160)),
            description="degrees Celsius; null: the probes contradict each other, so no heat",
        ),
        Field(name="t", kind=Integer(0, MAX_MONO_MS), description="UTC milliseconds, for people"),
        Field(
            name="probes",
            kind=ListOf(Text(max_length=129), most=16),
            description="the series it is made of, or that contradict each other",
        ),
    ),
    description="the kettle's temperature as the leader fuses it",
    required=False,
)

LEASE = {
    "kettle_id": TEXT,
    "node": TEXT,
    "group": array(TEXT),
    "promised_epoch": {"type": ["integer", "null"]},
    "holder": TEXT_OR_NULL,
    "epoch": {"type": ["integer", "null"]},
    "expires_in_ms": WHOLE,
    "quarantine_ms": WHOLE,
    "override_ms": WHOLE,
    "members_hash": TEXT,
}
NOT_FOUND = "`unknown_kettle`: this node does not serve it"

OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/lease",
        handler=get_lease,
        summary="A kettle's lease",
        scope=Scope.READ,
        query=(Parameter(name="kettle_id", kind=Text(), description="the kettle; needed"),),
        content=json_reply(**LEASE),
        refusals={404: NOT_FOUND},
        limit=BUCKET,
    ),
    Operation(
        method="POST",
        path="/v1/lease/acquire",
        handler=acquire,
        summary="Take a kettle's lease",
        scope=Scope.CONTROL,
        fields=(KETTLE, *WHO, ECHO, MEMBERS),
        content=json_reply(granted=FLAG, **LEASE),
        refusals={
            404: NOT_FOUND,
            409: "`stale_epoch`, `epoch_leap`, `held`, `members_mismatch`, in this order",
            412: "`bad_echo`: the stamp is not this boot's, or too old; checked first",
            423: "`quarantine`: the node has just started; checked last",
            503: "`cannot_store`: the promise could not be made durable",
        },
        limit=BUCKET,
    ),
    Operation(
        method="POST",
        path="/v1/lease/renew",
        handler=renew,
        summary="Prolong a running lease",
        scope=Scope.CONTROL,
        fields=(KETTLE, *WHO, ECHO, REFERENCE),
        content=json_reply(**LEASE),
        refusals={
            404: NOT_FOUND,
            409: "`not_holder`: another holds it, or it has run out",
            412: "`bad_echo`: the stamp is not this boot's, or too old; checked first",
        },
        limit=BUCKET,
    ),
    Operation(
        method="POST",
        path="/v1/lease/release",
        handler=release,
        summary="Give a lease back",
        scope=Scope.CONTROL,
        fields=(KETTLE, *WHO),
        content=json_reply(**LEASE),
        refusals={404: NOT_FOUND, 409: "`not_holder`: nothing to give back"},
        limit=BUCKET,
    ),
)
