"""The line that `smart-beer-edge pair` prints, taken apart. PURE: no I/O."""

import re
from dataclasses import dataclass
from typing import Self

from .exceptions import PairingLineError

DEFAULT_PORT = 8443
_HOST = re.compile(r"[A-Za-z0-9._:%-]{1,253}")
_PREFIX = re.compile(r"[0-9a-f]{32}")
_CODE = re.compile(r"[A-Za-z0-9]{4,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairingLine:
    """What `smart-beer-edge pair` prints: `SB1-<host:port>-<32 hex digits>-<code>`."""

    host: str
    port: int
    prefix: str  # first 128 bits of the certificate's SHA-256, lowercase hex
    code: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """The line in `text`, read from the right; PairingLineError says what is wrong with it."""
        line = "".join(text.split())
        head, _, rest = line.partition("-")
        if head.upper() != "SB1" or not rest:
            raise PairingLineError("A pairing line begins with SB1-; copy all of it.")
        parts = rest.rsplit("-", 2)
        if len(parts) != 3:
            raise PairingLineError("The pairing line is not complete; copy all of it.")
        address, prefix, code = parts
        if not _PREFIX.fullmatch(prefix.lower()):
            raise PairingLineError("The certificate part of the line is not 32 hexadecimal digits.")
        if not _CODE.fullmatch(code):
            raise PairingLineError("The code at the end of the line is not complete.")
        host, port = split_address(address)
        return cls(host=host, port=port, prefix=prefix.lower(), code=code)


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `host`, `host:port` or `[ipv6]:port`; PairingLineError for anything else."""
    if address.startswith("["):
        host, closed, tail = address[1:].partition("]")
        if not closed or (tail and not tail.startswith(":")):
            raise PairingLineError(f"{address} is no address of a node.")
        port_text = tail[1:]
    else:
        host, _, port_text = address.partition(":")
    if not _HOST.fullmatch(host):
        raise PairingLineError(f"{address} is no address of a node.")
    if not port_text:
        return host, DEFAULT_PORT
    if not (port_text.isascii() and port_text.isdigit() and 0 < int(port_text[:6]) < 65536):
        raise PairingLineError(f"{address} does not end in a port from 1 to 65535.")
    return host, int(port_text)
