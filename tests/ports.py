"""Ports for servers that must know theirs before they start, and come back to it."""

from scripts.servers import free_port


def consecutive_ports(count: int) -> int:
    """The first of `count` consecutive ports of 127.0.0.1 that are free, and given to nobody else.

    No outgoing connection of this machine gets one of them while its server is away.
    """
    ports = [free_port()]
    while len(ports) < count:
        following = free_port()
        ports = [*ports, following] if following == ports[-1] + 1 else [following]
    return ports[0]
