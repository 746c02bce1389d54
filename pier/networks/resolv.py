"""``/etc/resolv.conf`` for containers, made from the host's (resolv.conf(5)). Pure.

A loopback resolver of the host (dnsmasq, unbound, systemd-resolved's stub) means nothing inside a
container. In order: what the user asked for; the host's nameservers that are not loopback; those
that systemd-resolved itself asks; where the host has a loopback resolver only, the bridge's gateway,
which forwards to it; and where the host names none at all, public ones, as Docker does.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

HOST_FILE: Final = "/etc/resolv.conf"
RESOLVED_FILE: Final = "/run/systemd/resolve/resolv.conf"
_STUBS: Final = ("127.0.0.53", "127.0.0.54")
_PUBLIC: Final = ("8.8.8.8", "8.8.4.4")


@dataclass(frozen=True, slots=True)
class Resolvers:
    """What a ``resolv.conf`` says."""

    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def parse(text: str) -> Resolvers:
    """Read a ``resolv.conf``; of ``search`` and ``options`` the last line counts, comments and nonsense do not."""
    nameservers: list[str] = []
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    for line in text.splitlines():
        match line.split():
            case ["nameserver", address, *_] if _address(address) is not None:
                nameservers.append(address)
            case ["search" | "domain", *domains]:
                search = tuple(domains)
            case ["options", *words]:
                options = tuple(words)
    return Resolvers(tuple(nameservers), search, options)


def loopback_resolver(host: Resolvers, resolved: Resolvers) -> str:
    """The host's IPv4 loopback resolver, where a container has no other; else empty."""
    loopback = [server for server in host.nameservers if _is_loopback(server)]
    if _reachable(host, resolved) or not loopback:
        return ""
    return next((server for server in loopback if ":" not in server), "127.0.0.1")


def for_container(
    host: Resolvers,
    resolved: Resolvers,
    gateway: str,
    *,
    dns: Sequence[str] = (),
    search: Sequence[str] = (),
    options: Sequence[str] = (),
) -> str:
    """The file's text; each of ``dns``, ``search`` and ``options`` replaces the host's. Search ``.`` means none."""
    nameservers = tuple(dns) or _reachable(host, resolved)
    if not nameservers:
        nameservers = (gateway,) if gateway and loopback_resolver(host, resolved) else _PUBLIC
    domains = tuple(search) or host.search
    return render(Resolvers(nameservers, () if domains == (".",) else domains, tuple(options) or host.options))


def render(resolvers: Resolvers) -> str:
    """The text of a ``resolv.conf``."""
    lines = [f"nameserver {address}" for address in resolvers.nameservers]
    if resolvers.search:
        lines.append("search " + " ".join(resolvers.search))
    if resolvers.options:
        lines.append("options " + " ".join(resolvers.options))
    return "".join(f"{line}\n" for line in lines)


def _reachable(host: Resolvers, resolved: Resolvers) -> tuple[str, ...]:
    """IPv4 servers that a container can ask; containers on a bridge have no IPv6."""
    servers = host.nameservers
    if any(server in _STUBS for server in servers):
        servers = resolved.nameservers or servers
    return tuple(server for server in servers if ":" not in server and not _is_loopback(server))


def _is_loopback(server: str) -> bool:
    address = _address(server)
    return address is not None and address.is_loopback


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
