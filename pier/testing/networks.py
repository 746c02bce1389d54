"""The network service on a miniature host, and what tests ask of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pier.linux import links, nftables
from pier.metadata.db import Database
from pier.metadata.networks import SqliteNetworkStore
from pier.networks.network import Endpoint, PortRequest
from pier.networks.service import Networks, NetworkSettings
from pier.networks.store import NetworkStore
from pier.testing.netns import Host


def new_store() -> NetworkStore:
    """An empty store in memory."""
    return SqliteNetworkStore(Database(":memory:"))


@asynccontextmanager
async def running_networks(
    host: Host, store: NetworkStore | None = None, live: dict[str, list[str]] | None = None, **settings: Any
) -> AsyncIterator[Networks]:
    """The service, started, recovered with what is ``live``, and closed at the end."""
    run = settings.pop("run", host.folder / "run")
    networks = Networks(store or new_store(), NetworkSettings(run, **settings))
    await networks.start()
    await networks.recover(live or {})
    try:
        yield networks
    finally:
        await networks.close()


async def kill(networks: Networks) -> None:
    """What ``kill -9`` leaves of the service: its sockets and its thread are gone, the kernel's objects are not."""
    networks._ports.release(networks._ports.held)
    networks._reaper.close()
    networks._bridge.close()


async def connect(networks: Networks, name: str, *ports: PortRequest) -> tuple[Path, Endpoint]:
    """A container's sandbox, on the default bridge."""
    sandbox = await networks.create_sandbox(name)
    return sandbox, await networks.connect(name, sandbox, networks.find("bridge"), ports, name=name)


async def remove(networks: Networks, *endpoints: Endpoint) -> None:
    """Disconnect the containers and let go of their sandboxes."""
    for endpoint in endpoints:
        await networks.disconnect(endpoint)
        await networks.remove_sandbox(endpoint.container_id)


def link_names() -> set[str]:
    """The links of the host."""
    with links.open_route_socket() as sock:
        return {link.name for link in links.links(sock)}


def table_names() -> set[str]:
    """The nftables tables of the host."""
    return {entry["table"]["name"] for entry in nftables.query("list tables") if "table" in entry}
