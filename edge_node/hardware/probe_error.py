"""How a driver says that a probe gave no reading."""


class ProbeError(Exception):
    """A reading that failed; `cause` is one of the bad causes of `edge_node.model`."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause
