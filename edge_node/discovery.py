"""Announces the node on the local network (mDNS), so that nobody has to type its address."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import random
from typing import TYPE_CHECKING

import ifaddr
from zeroconf import Error, IPVersion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from edge_node.api.health import API_VERSION
from edge_node.supervise import supervise

if TYPE_CHECKING:
    from edge_node.node import Node

LOGGER = logging.getLogger(__name__)

SERVICE_TYPE = "_smart-beer._tcp.local."
FIRST_RETRY_S = 2.0
MAX_RETRY_S = 300.0
WITHDRAW_S = 5.0
CHECK_S = 30.0  # how often the machine's addresses are compared with those announced
MAX_TXT = 255  # bytes of one `key=value` (RFC 6763, 6.1)


class Announcement:
    """Announces a node's API on its port until it is stopped.

    A network that is not there (yet), or that changes, is logged and tried again; it never hurts
    the node.
    """

    def __init__(self, node: Node, port: int) -> None:
        self._node = node
        self._port = port
        self._task: asyncio.Task[None] | None = None
        self.announced = False

    async def start(self) -> None:
        """Begin to announce, in the background."""
        watched = supervise("announcement", self._run, self._node.report_task)
        self._task = asyncio.get_running_loop().create_task(watched, name="announcement")

    async def stop(self) -> None:
        """Withdraw the announcement."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=WITHDRAW_S)
            self._task = None

    async def _run(self) -> None:
        wait = FIRST_RETRY_S
        while True:
            try:
                await self._announce(local_addresses(self._node.config.api.bind))
                wait = FIRST_RETRY_S  # it was up, until the addresses changed
            except (OSError, Error, TimeoutError) as err:
                LOGGER.warning(
                    "Node %s cannot be announced on the network: %s; trying again in about %.0f s",
                    self._node.identity.node_id,
                    str(err) or type(err).__name__,
                    wait,
                )
                await asyncio.sleep(wait * random.uniform(0.75, 1.25))  # noqa: S311 - only jitter
                wait = min(MAX_RETRY_S, wait * 2)

    async def _announce(self, addresses: list[str]) -> None:
        """Announce these addresses until the machine has others. Raises OSError, zeroconf.Error."""
        versions = {ipaddress.ip_address(address).version for address in addresses}
        zeroconf = AsyncZeroconf(
            interfaces=addresses,
            ip_version=IPVersion.V4Only
            if versions == {4}
            else IPVersion.V6Only
            if versions == {6}
            else IPVersion.All,
        )
        try:
            info = AsyncServiceInfo(
                SERVICE_TYPE,
                f"{self._node.identity.node_id}.{SERVICE_TYPE}",
                port=self._port,
                properties=txt_record(self._node),
                parsed_addresses=addresses,
                # A host name of its own: the machine's may be announced by another daemon.
                server=f"smart-beer-{self._node.identity.node_id}.local.",
            )
            # Another node of the same id must not silence this one; the pin tells them apart.
            await (await zeroconf.async_register_service(info, allow_name_change=True))
            self.announced = True
            LOGGER.info("Announced as %s on %s", info.name, ", ".join(addresses))
            # The kernel tells nobody here when an address changes, so we look.
            while local_addresses(self._node.config.api.bind) == addresses:  # noqa: ASYNC110
                await asyncio.sleep(CHECK_S)
        finally:
            if self.announced:
                self.announced = False
                await asyncio.shield(_withdraw(zeroconf))
            else:
                await asyncio.shield(zeroconf.async_close())


async def _withdraw(zeroconf: AsyncZeroconf) -> None:
    try:
        await zeroconf.async_unregister_all_services()
    finally:
        await zeroconf.async_close()


def txt_record(node: Node) -> dict[str, str]:
    """What the announcement says: node_id, kettles, version, fp (32 hex digits), api.

    As many kettle ids as fit into one TXT string; the full list is in /v1/identity.
    """
    kettles = ""
    for kettle in node.config.kettles:
        longer = f"{kettles},{kettle.kettle_id}" if kettles else kettle.kettle_id
        if len(f"kettles={longer}".encode()) > MAX_TXT:
            break
        kettles = longer
    return {
        "node_id": node.identity.node_id,
        "kettles": kettles,
        "version": node.identity.version,
        "fp": node.identity.fingerprint[:32],
        "api": str(API_VERSION),
    }


def local_addresses(bind: str) -> list[str]:
    """Where the node can be reached: its bind address, or those of every interface but loopback.

    Loopback alone if there is no other. Raises OSError if `bind` is a name that does not resolve
    to an address.
    """
    try:
        bound = ipaddress.ip_address(bind)
    except ValueError as err:
        raise OSError(f"api.bind is {bind}, which is not an IP address") from err
    if not bound.is_unspecified:
        return [str(bound)]
    found = [
        ipaddress.ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0])
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
    ]
    # "0.0.0.0" listens on IPv4 only. Link-local IPv6 addresses mean nothing without an interface.
    usable = sorted(
        {
            str(ip)
            for ip in found
            if not ip.is_loopback
            and (ip.version == 4 or (bound.version == 6 and not ip.is_link_local))
        }
    )
    return usable or ["127.0.0.1"]
