"""``--link NAME[:ALIAS]``: how a container comes to know another one, by name and by variables (pure).

Containers on the default bridge are told the names and variables of those that they link to when they start. On
other networks a link is a name only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pier.containers.container import Container
from pier.containers.ports import parse_port

_DEFAULT: Final = "bridge"
_NOT_PASSED_ON: Final = ("HOME", "PATH")


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a container's: the other one's ``name`` or id, and what it is to be called."""

    name: str
    alias: str


def parse_link(text: str) -> Link:
    """``web``, ``web:site``; also ``/web:/box/site``, as ``inspect`` shows it."""
    name, _, alias = text.partition(":")
    name = name.removeprefix("/")
    return Link(name, alias.rpartition("/")[2] or name)


def shown(record: Container) -> list[str] | None:
    """``HostConfig.Links`` of ``inspect``."""
    links = [parse_link(text) for text in record.host_config.links or ()]
    return [f"/{each.name}:/{record.name}/{each.alias}" for each in links] or None


def has_variables(record: Container) -> bool:
    """Whether the container is told variables of those it links to."""
    return next(iter(record.networks), "") == _DEFAULT


def address_on(networks: Iterable[str], target: Container) -> str:
    """Where ``target`` is on the first of the networks that it shares; empty when there is none."""
    known = {each.network_name: each.address for each in target.endpoints}
    return next((known[name] for name in networks if known.get(name)), "")


def names(link: Link, target: Container) -> list[str]:
    """What the linked container is called, the alias first."""
    return list(dict.fromkeys((link.alias, target.config.hostname, target.name)))


def variables(record: Container, link: Link, target: Container, address: str) -> list[str]:
    """``DB_PORT=tcp://172.17.0.2:80``, ``DB_PORT_80_TCP_ADDR=...``, ``DB_NAME=/box/db``, ``DB_ENV_X=...``."""
    prefix = link.alias.upper().replace("-", "_")
    ports = sorted(map(parse_port, target.config.exposed_ports or {}), key=lambda port: (port[0], port[1] != "tcp"))
    found = [f"{prefix}_PORT={_url(ports[0], address)}"] if ports else []
    found += _ranges(prefix, sorted(ports, key=lambda port: port[1]), address)
    for number, protocol in ports:
        name = f"{prefix}_PORT_{number}_{protocol.upper()}"
        found += [f"{name}={_url((number, protocol), address)}", f"{name}_ADDR={address}"]
        found += [f"{name}_PORT={number}", f"{name}_PROTO={protocol}"]
    found.append(f"{prefix}_NAME=/{record.name}/{link.alias}")
    given = (text.partition("=") for text in target.config.env or ())
    found += [f"{prefix}_ENV_{name}={value}" for name, has, value in given if has and name not in _NOT_PASSED_ON]
    return list(dict.fromkeys(found))


def _ranges(prefix: str, ports: Sequence[tuple[int, str]], address: str) -> list[str]:
    """Three and more ports in a row are told as a range too."""
    found: list[str] = []
    first = 0
    for index, (number, protocol) in enumerate(ports):
        if index + 1 < len(ports) and ports[index + 1] == (number + 1, protocol):
            continue
        if index > first + 1:
            name = f"{prefix}_PORT_{ports[first][0]}_{protocol.upper()}"
            found += [f"{name}_START={_url(ports[first], address)}", f"{name}_ADDR={address}"]
            found += [f"{name}_PROTO={protocol}", f"{name}_PORT_START={ports[first][0]}"]
            found += [f"{name}_END={_url(ports[index], address)}", f"{name}_PORT_END={number}"]
        first = index + 1
    return found


def _url(port: tuple[int, str], address: str) -> str:
    return f"{port[1]}://{address}:{port[0]}"
