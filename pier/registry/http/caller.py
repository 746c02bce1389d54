"""Who called, and how: through proxies that are trusted, as they say; else as the socket says."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from aiohttp import web

from pier.errors import InvalidArgument
from pier.registry.principal import Caller

Network = IPv4Network | IPv6Network


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Raises InvalidArgument."""
    try:
        return tuple(ip_network(text, strict=False) for text in texts)
    except ValueError as error:
        raise InvalidArgument(f"trusted_proxies: {error}") from error


def caller_of(request: web.BaseRequest, trusted: Sequence[Network]) -> Caller:
    peer = _peer(request)
    proxied = bool(trusted) and _within(peer, trusted)
    address = client_address(request.headers.get("X-Forwarded-For", ""), peer, trusted) if proxied else peer
    scheme = "https" if request.secure else "http"
    host = request.headers.get("Host", "")
    if proxied:
        scheme = _first(request.headers.get("X-Forwarded-Proto", "")) or scheme
        host = _first(request.headers.get("X-Forwarded-Host", "")) or host
    return Caller(address, request.method, request.path, f"{scheme}://{host}", request.headers)


def _peer(request: web.BaseRequest) -> str:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    return str(peer[0]) if isinstance(peer, tuple) else ""


def client_address(forwarded: str, peer: str, trusted: Sequence[Network]) -> str:
    """The last address of the chain that is no proxy of ours: what stands before it may be made up."""
    for hop in reversed([each.strip() for each in forwarded.split(",") if each.strip()]):
        peer = hop
        if not _within(hop, trusted):
            break
    return peer


def _within(address: str, trusted: Sequence[Network]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted)


def _first(header: str) -> str:
    return header.partition(",")[0].strip()
