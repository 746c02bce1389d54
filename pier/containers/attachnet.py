"""A container's networks at its start: the sandbox and one endpoint a network, or somebody else's namespace."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pier.containers.announce import announce_network
from pier.containers.config import EndpointIpam, EndpointSettings
from pier.containers.container import Container
from pier.containers.deps import Deps
from pier.containers.ports import port_requests
from pier.containers.teardown import disconnect
from pier.containers.validate import network_peer
from pier.errors import Conflict
from pier.networks.network import HOST, Endpoint, PortRequest


@dataclass(frozen=True, slots=True)
class Networked:
    """``netns`` None is the host's own; ``peer`` the container whose namespace (and names) this one shares."""

    netns: Path | None
    endpoints: tuple[Endpoint, ...] = ()
    peer: Container | None = None


async def join_networks(deps: Deps, record: Container, owner: Path | None, undo: AsyncExitStack) -> Networked:
    """Connect; what has been done is pushed on ``undo``. Raises what the network package raises.

    ``owner`` is the container's own user namespace, if it has one.
    """
    peer_name = network_peer(record.host_config.network_mode)
    if peer_name is not None:
        peer = running_peer(deps, peer_name, "network")
        return Networked(_netns_of(peer), (), peer)
    networks = [deps.networks.find(name) for name in record.networks]
    sandbox: Path | None = None
    if not any(network.driver == HOST for network in networks):
        undo.push_async_callback(deps.networks.remove_sandbox, record.id)
        sandbox = await deps.networks.create_sandbox(record.id, owner)
    endpoints: list[Endpoint] = []
    ports: tuple[PortRequest, ...] = port_requests(record.config, record.host_config)
    for network, settings in zip(networks, record.networks.values(), strict=True):
        endpoint = await deps.networks.connect(
            record.id, sandbox, network, ports, name=record.name, mac=_mac(record, settings), address=_address(settings)
        )
        undo.push_async_callback(disconnect, deps, endpoint)
        announce_network(deps, endpoint, network.driver, "connect")
        endpoints.append(endpoint)
        ports = ()
    return Networked(sandbox, tuple(endpoints))


def running_peer(deps: Deps, reference: str, what: str) -> Container:
    """The record of a container whose namespace is to be joined. NotFound, Conflict when it does not run."""
    peer = deps.registry.find(reference).record
    if peer.state.status == "restarting":
        raise Conflict(f"Container {peer.id} is restarting, wait until the container is running")
    if peer.supervised is None:
        raise Conflict(f"cannot join {what} of a non running container: {peer.id}")
    return peer


def _netns_of(peer: Container) -> Path | None:
    if any(name == "host" for name in peer.networks):
        return None
    return Path(f"/proc/{peer.state.pid}/ns/net")


def _mac(record: Container, settings: EndpointSettings) -> str:
    return settings.mac_address or record.config.mac_address


def _address(settings: EndpointSettings) -> str:
    return (settings.ipam_config or EndpointIpam()).ipv4_address


def with_primary(networks: dict[str, EndpointSettings], primary: str) -> dict[str, EndpointSettings]:
    """``networks`` with the one of the network mode first; ``default``, as clients say, is it by another name."""
    networks = {primary if name == "default" else name: each for name, each in networks.items()}
    first = {primary: networks.get(primary, EndpointSettings())}
    return first | {name: msgspec.structs.replace(each) for name, each in networks.items() if name != primary}
