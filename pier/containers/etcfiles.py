"""``/etc/hosts``, ``/etc/hostname`` and ``/etc/resolv.conf`` of a container: files of ours, mounted into it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pier.containers.container import Container, IdRange
from pier.containers.deps import Deps
from pier.containers.validate import parse_extra_host
from pier.errors import NotFound
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
    extra += [pair for text in record.host_config.links or () for pair in _link(deps, text)]
    addresses = [each.address for each in endpoints if each.address]
    return hosts_file(addresses, record.config.hostname, record.config.domainname, extra)


def _link(deps: Deps, text: str) -> list[tuple[str, str]]:
    """The names by which ``--link NAME[:ALIAS]`` lets a running container on the same network be called."""
    name, _, alias = text.partition(":")
    try:
        target = deps.registry.find(name).record
    except NotFound:
        return []
    address = next((each.address for each in target.endpoints if each.address), "")
    names = dict.fromkeys((alias or target.name, target.config.hostname, target.name))
    return [(each, address) for each in names] if address else []


def _write(path: Path, text: str, owner: IdRange | None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, text.encode())
        if owner is not None:
            os.fchown(descriptor, owner.uid, owner.gid)
    finally:
        os.close(descriptor)
