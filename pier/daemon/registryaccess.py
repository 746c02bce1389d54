"""Who may do what, constructed from settings; and whether the registry may be reached by others as it is."""

import asyncio
import ipaddress
from typing import Final

from pier.errors import InvalidArgument
from pier.registry.access.audit import Audit
from pier.registry.access.gate import Gate
from pier.registry.access.guard import Doorkeeper
from pier.registry.access.htpasswd import Htpasswd
from pier.registry.access.limits import Limits
from pier.registry.access.passwords import Passwords
from pier.registry.access.people import People
from pier.registry.access.tokens import open_tokens
from pier.registry.deps import Registry
from pier.registry.settings import Settings

_NO_USERS: Final = (
    "refusing to listen on {where} without users: everybody could push and delete. Add one ('pier registry user add "
    "--admin NAME') or give --htpasswd FILE; or say --open, if that is what you want"
)
_NO_TLS: Final = (
    "refusing to listen on {where} without TLS: passwords would cross the network in the clear. Give --tls-cert and "
    "--tls-key; or, behind a proxy that ends TLS, --trusted-proxies with its network; or say --open"
)
_LAST_PORT: Final = 65535


async def open_gate(registry: Registry) -> Gate:
    """Raises InvalidArgument for a file of users that cannot be read, and for listening in a way that is not safe."""
    settings = registry.settings
    file = Htpasswd(settings.htpasswd) if settings.htpasswd else None
    if file:
        await asyncio.to_thread(file.load)
    alone = is_alone(settings)
    if not alone and not settings.open:
        users = bool(file) or bool(await registry.records.users())
        check(settings, users)
    limits, passwords = Limits(settings), await asyncio.to_thread(Passwords)
    audit = Audit(settings.audit_log)
    people = People(registry, file, limits, audit, passwords=passwords, alone=alone)
    tokens = await open_tokens(registry.records, settings.service)
    guard = Doorkeeper(people, tokens, limits, settings.service)
    return Gate(people, guard, tokens, limits, passwords, audit)


def check(settings: Settings, users: bool) -> None:
    """Raises InvalidArgument, with what to do, where others can reach the registry and should not."""
    where = ", ".join(address for address in settings.listen if not is_loopback(address)) or "behind a proxy"
    if not users:
        raise InvalidArgument(_NO_USERS.format(where=where))
    if not settings.tls_cert and not settings.trusted_proxies:
        raise InvalidArgument(_NO_TLS.format(where=where))


def is_alone(settings: Settings) -> bool:
    """Whether nobody but this machine reaches us."""
    return not settings.trusted_proxies and all(is_loopback(address) for address in settings.listen)


def host_and_port(address: str) -> tuple[str, int]:
    """Of ``HOST:PORT``; the host may be empty. Raises InvalidArgument."""
    host, colon, port = address.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > _LAST_PORT:
        raise InvalidArgument(f"invalid address to listen on ({address}): expected HOST:PORT")
    return host.strip("[]"), int(port)


def is_loopback(address: str) -> bool:
    """Of ``HOST:PORT``. Raises InvalidArgument."""
    host, _ = host_and_port(address)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
