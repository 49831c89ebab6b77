"""What can go wrong between a client and a node, named by what the caller does about it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class SmartBeerError(Exception):
    """Base of everything this client raises."""


class NodeConnectionError(SmartBeerError):
    """The node could not be reached, or the connection broke: try again later."""


class NodeTimeoutError(NodeConnectionError):
    """The node did not answer in time: try again later."""


class FingerprintMismatchError(NodeConnectionError):
    """The certificate is not the pinned one: nothing was sent, a person must decide."""


class NodeAuthError(SmartBeerError):
    """The node does not know the token: pair again."""


class NodeResponseError(SmartBeerError):
    """The node answered, but with an error or with something that is no answer.

    `status` is the HTTP status, `code` the node's error code (`malformed` when the reply could
    not be understood), `message` its sentence, `detail` what came with it.
    """

    def __init__(
        self, status: int, code: str, message: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(f"{message} ({status} {code})")
        self.status = status
        self.code = code
        self.message = message
        self.detail: Mapping[str, Any] = detail or {}


class OtherSpoolError(NodeResponseError):
    """The cursor belongs to another spool; read on in `spool_id` from 0 or from its end."""

    def __init__(
        self, spool_id: str, message: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(409, "other_spool", message, detail)
        self.spool_id = spool_id


class StreamUnsupportedError(NodeResponseError):
    """The node does not know `stream=1`: poll instead."""


class UnsupportedApiError(SmartBeerError):
    """The node speaks an API version this client does not; `too_new` tells which side to update."""

    def __init__(self, message: str, *, api: int, too_new: bool) -> None:
        super().__init__(message)
        self.api = api
        self.too_new = too_new


class PairingLineError(SmartBeerError):
    """The pasted text is no pairing line."""


class PairingRefusedError(SmartBeerError):
    """The node refused to pair: wrong code, or no window is open. `code` is the node's."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code
