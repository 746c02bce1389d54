"""The text of ``/etc/hosts`` in a container. Pure."""

from collections.abc import Sequence

_BASE = (
    ("127.0.0.1", "localhost"),
    ("::1", "localhost ip6-localhost ip6-loopback"),
    ("fe00::0", "ip6-localnet"),
    ("ff00::0", "ip6-mcastprefix"),
    ("ff02::1", "ip6-allnodes"),
    ("ff02::2", "ip6-allrouters"),
)


def hosts_file(
    addresses: Sequence[str], hostname: str, domainname: str = "", extra: Sequence[tuple[str, str]] = ()
) -> str:
    """``addresses`` are the container's own; ``extra`` are ``(name, address)`` pairs of ``--add-host``."""
    names = f"{hostname}.{domainname} {hostname}" if domainname else hostname
    lines = [*_BASE, *((address, name) for name, address in extra), *((address, names) for address in addresses)]
    return "".join(f"{address}\t{name}\n" for address, name in lines)
