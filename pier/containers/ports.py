"""Published and exposed ports (pure)."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pier.containers.config import ContainerConfig
from pier.containers.hostconfig import HostConfig, HostPort
from pier.errors import InvalidArgument
from pier.networks.network import PortBinding, PortRequest

_RANGE: Final = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_PROTOCOLS: Final = ("tcp", "udp", "sctp")


def parse_port(text: str) -> tuple[int, str]:
    """``80/tcp``, ``80`` as (80, "tcp"). InvalidArgument."""
    number, _, protocol = text.partition("/")
    protocol = protocol.lower() or "tcp"
    first, last = _range(number)
    if first != last or first == 0:
        raise InvalidArgument(f'invalid port specification: "{number}"')
    if protocol not in _PROTOCOLS:
        raise InvalidArgument(f"invalid proto: {protocol}")
    return first, protocol


def port_requests(config: ContainerConfig, host: HostConfig) -> tuple[PortRequest, ...]:
    """The ports to publish, in numeric order; with ``publish_all_ports`` every exposed one too. InvalidArgument."""
    wanted = {parse_port(text): tuple(bindings or ()) for text, bindings in (host.port_bindings or {}).items()}
    if host.publish_all_ports:
        for text in config.exposed_ports or {}:
            port = parse_port(text)
            wanted[port] = wanted.get(port) or (HostPort(),)
    return tuple(
        _request(port, protocol, binding)
        for (port, protocol), bindings in sorted(wanted.items())
        for binding in bindings
    )


def exposed(config: ContainerConfig) -> dict[str, dict[str, Any]] | None:
    """The exposed ports in canonical form, ``80/tcp``. InvalidArgument."""
    if config.exposed_ports is None:
        return None
    return {f"{number}/{protocol}": {} for number, protocol in map(parse_port, config.exposed_ports)}


def port_map(exposed_ports: Iterable[str], bound: Iterable[PortBinding]) -> dict[str, list[dict[str, str]] | None]:
    """``NetworkSettings.Ports``: what each port is bound to, None for one that is exposed only."""
    ports: dict[str, list[dict[str, str]] | None] = {}
    for each in bound:
        key = f"{each.container_port}/{each.protocol}"
        bindings = ports.setdefault(key, [])
        assert bindings is not None
        bindings.append({"HostIp": each.host_ip, "HostPort": str(each.host_port)})
    for text in exposed_ports:
        ports.setdefault(text, None)
    return ports


def port_list(ports: Mapping[str, list[dict[str, str]] | None]) -> list[dict[str, Any]]:
    """The ``Ports`` of ``ps``, from a port map."""
    listed: list[dict[str, Any]] = []
    for text, bindings in ports.items():
        number, protocol = parse_port(text)
        for binding in bindings or ():
            public = int(binding["HostPort"])
            listed.append({"IP": binding["HostIp"], "PrivatePort": number, "PublicPort": public, "Type": protocol})
        if not bindings:
            listed.append({"PrivatePort": number, "Type": protocol})
    return listed


def _request(port: int, protocol: str, binding: HostPort) -> PortRequest:
    first, last = _range(binding.host_port or "0")
    return PortRequest(port, protocol, binding.host_ip, first, last if last > first else 0)


def _range(text: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(text)
    first = int(match[1]) if match else -1
    last = int(match[2]) if match and match[2] else first
    if not 0 <= first <= last <= 65535:
        raise InvalidArgument(f'invalid port specification: "{text}"')
    return first, last
