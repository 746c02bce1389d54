"""``/etc/hosts``, ``/etc/hostname`` and ``/etc/resolv.conf`` of a container: files of ours, mounted into it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pier.containers.container import Container, IdRange
from pier.containers.deps import Deps
from pier.containers.links import Link, address_on, has_variables, names, parse_link, variables
from pier.containers.validate import parse_extra_host
from pier.errors import Conflict, NotFound
from pier.networks.hosts import hosts_file
from pier.networks.network import HOST, Endpoint

NAMES: Final = ("resolv.conf", "hostname", "hosts")


def write_etc_files(deps: Deps, record: Container, endpoints: Sequence[Endpoint]) -> None:
    """Write all three anew (a few hundred bytes each) into the container's folder."""
    folder = deps.folder(record.id)
    folder.mkdir(mode=0o710, parents=True, exist_ok=True)
    network = deps.networks.find(endpoints[0].network_id)
    host = record.host_config
    owner = record.id_range
    _write(folder / "hostname", f"{record.config.hostname}\n", owner)
    resolv = deps.networks.resolv_conf(
        network, dns=host.dns or (), search=host.dns_search or (), options=host.dns_options or ()
    )
    _write(folder / "resolv.conf", resolv, owner)
    _write(folder / "hosts", _hosts(deps, record, endpoints, on_host=network.driver == HOST), owner)


def _hosts(deps: Deps, record: Container, endpoints: Sequence[Endpoint], on_host: bool) -> str:
    gateway = next((each.gateway for each in endpoints if each.gateway), "127.0.0.1")
    extra = [parse_extra_host(text) for text in record.host_config.extra_hosts or ()]
    extra = [(name, gateway if address == "host-gateway" else address) for name, address in extra]
    if on_host:
        lines = "".join(f"{address}\t{name}\n" for name, address in extra)
        return Path("/etc/hosts").read_text(errors="replace") + lines
    for link, target, address in linked(deps, record, endpoints):
        extra.append((" ".join(names(link, target)), address))
    addresses = [each.address for each in endpoints if each.address]
    return hosts_file(addresses, record.config.hostname, record.config.domainname, extra)


def linked(deps: Deps, record: Container, endpoints: Sequence[Endpoint]) -> list[tuple[Link, Container, str]]:
    """The running containers that ``--link`` names, each with its address. Conflict when one does not run."""
    found: list[tuple[Link, Container, str]] = []
    for text in record.host_config.links or ():
        link = parse_link(text)
        try:
            target = deps.registry.find(link.name).record
        except NotFound:  # it was removed, and the link with it
            continue
        if not target.state.alive:
            raise Conflict(f"Cannot link to a non running container: /{target.name} AS /{record.name}/{link.alias}")
        address = address_on((each.network_name for each in endpoints), target)
        if address:
            found.append((link, target, address))
    return found


def link_variables(deps: Deps, record: Container, endpoints: Sequence[Endpoint]) -> tuple[str, ...]:
    """What the container's process is told of those that it links to."""
    if not (record.host_config.links and has_variables(record)):
        return ()
    return tuple(text for each in linked(deps, record, endpoints) for text in variables(record, *each))


def _write(path: Path, text: str, owner: IdRange | None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, text.encode())
        if owner is not None:
            os.fchown(descriptor, owner.uid, owner.gid)
    finally:
        os.close(descriptor)
