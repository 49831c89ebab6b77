"""Ports that a simulation gives its nodes."""

import socket

import pytest

from edge_node.simulate_state import HOST, free_ports


def test_a_port_is_kept_for_its_server_while_that_is_away() -> None:
    ports = free_ports(3)
    assert len({*ports, *free_ports(3)}) == 6
    for port in ports:
        for _ in range(2):
            # An outgoing connection, or another server in search of a port, does not get it.
            with (
                socket.socket() as other,
                pytest.raises(OSError, match="Address already in use"),
            ):
                other.bind((HOST, port))
            with socket.create_server((HOST, port)):
                pass  # its server listens, ends, and comes back
