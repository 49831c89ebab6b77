"""What every command carries, and how its refusals are said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from edge_node.api.errors import ApiError, quoted, reply
from edge_node.api.lease import MAX_MONO_MS, MESSAGES, WHO
from edge_node.api.replies import FLAG, TEXT_OR_NULL, WHOLE
from edge_node.api.schema import Field, Integer, Text
from edge_node.commands import Answer, Header
from edge_node.lease import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import web

    from edge_node.api.operation import Call
    from edge_node.api.schema import Number

MAX_SEQ: Final = 2**53 - 1

HEADER: Final = (
    *WHO,
    Field(name="boot_id", kind=Text(), description="of the node, from a reply that just came"),
    Field(
        name="seq",
        kind=Integer(0, MAX_SEQ),
        description="rises with every command for this kettle and epoch",
    ),
    Field(
        name="not_after_ms",
        kind=Integer(0, MAX_MONO_MS),
        description="the node's monotonic clock: later than this the command is not obeyed",
    ),
    Field(name="cmd_id", kind=Text(), description="of this command; a repeat is answered, once"),
)
KETTLE: Final = Field(name="kettle_id", kind=Text(), description="the kettle")

LEASE_REFUSALS: Final[dict[int, str]] = {
    403: "`scope`: the token's scope is too small; `not_leader`: `detail` says who leads",
    404: "`unknown_kettle`, `unknown_output`, `unknown_controller` or `unknown_alarm`",
    409: "`stale_seq`: a later command was obeyed already",
    410: "`expired`: it came after its not_after_ms",
    412: "`wrong_boot`: the node has restarted since; checked first",
}
STORING: Final = {503: "`not_stored`: the node's disk takes no writes"}

_MESSAGES: Final = {
    **MESSAGES,
    "safety_latched": "this is latched off: see to the cause, then let the leader clear the latch",
    "not_stored": "the node cannot write this down, so that it does not hold: look for a full or "
    "broken disk",
}

SWITCHED: Final[dict[str, Any]] = {
    "desired": {"type": ["boolean", "number"]},
    "actual": {"type": ["boolean", "number"]},
    "limited_by": TEXT_OR_NULL,
    "seq": WHOLE,
}


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def schema(self) -> dict[str, Any]:
        """As Kind."""
        return FLAG

    def check(self, value: Any) -> None:  # noqa: ANN401
        """As Kind."""
        if not isinstance(value, bool):
            raise TypeError("must be true or false")

    def parse(self, text: str) -> Any:  # noqa: ANN401
        """As Kind."""
        if text not in {"true", "false"}:
            raise TypeError("must be true or false")
        return text == "true"


@dataclass(frozen=True, slots=True)
class Judged:
    """A number whose range is judged after the lease, in its place among the checks."""

    number: Number

    def schema(self) -> dict[str, Any]:
        """As Kind."""
        return self.number.schema()

    def check(self, value: Any) -> None:  # noqa: ANN401
        """As Kind, but for the range."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError("must be a number")

    def parse(self, text: str) -> Any:  # noqa: ANN401
        """As Kind."""
        return self.number.parse(text)


@dataclass(frozen=True, slots=True)
class Blob:
    """A string of the caller's own, up to `most` bytes of UTF-8."""

    most: int

    def schema(self) -> dict[str, Any]:
        """As Kind."""
        return {"type": "string", "maxLength": self.most}

    def check(self, value: Any) -> None:  # noqa: ANN401
        """As Kind."""
        if not isinstance(value, str):
            raise TypeError("must be a string")
        try:
            size = len(value.encode())
        except UnicodeEncodeError as err:
            raise TypeError("must be text that can be written as UTF-8") from err
        if size > self.most:
            raise TypeError(f"must have at most {self.most} bytes")

    def parse(self, text: str) -> str:
        """As Kind."""
        self.check(text)
        return text


def header_of(body: dict[str, Any]) -> Header:
    """The command's header."""
    return Header(
        server_id=body["server_id"],
        session=body["session"],
        epoch=body["epoch"],
        boot_id=body["boot_id"],
        seq=body["seq"],
        not_after=body["not_after_ms"],
        cmd_id=body["cmd_id"],
    )


def kettle_of(call: Call, kettle_id: str) -> str:
    """The kettle, if this node serves it; ApiError 404."""
    return known(kettle_id, list(call.leases), "kettle")


def known(name: str, names: Iterable[str], what: str) -> str:
    """The name, if it is one of these; ApiError 404 `unknown_<what>`."""
    names = list(names)
    if name not in names:
        raise ApiError(
            404,
            f"unknown_{what}",
            f"this node has no {what} {quoted(name)}; it has: {', '.join(names) or 'none'}",
            detail={"known": names},
        )
    return name


def told(call: Call, what: str, answer: Answer | Refused) -> web.Response:
    """The reply to a command for `what`; ApiError if it was refused."""
    if not isinstance(answer, Refused):
        return reply(call.node, answer)
    reason = answer.detail.get("cause") or answer.detail.get("reason")
    message = _MESSAGES.get(answer.code)
    if message is None:
        message = f"{answer.detail.get('field')} {reason}"
    elif answer.code == "safety_latched":
        message = f"{message} ({reason})"
    raise ApiError(answer.status, answer.code, f"{what}: {message}", detail=answer.detail)
