"""Sandboxes: the network namespace of a container, pinned by the container's ID. All calls block."""

from pathlib import Path
from typing import Final

from pier.linux import links, namespaces, sysctl

_SETTINGS: Final = (
    # Containers on a bridge have no IPv6: without this each interface would still give itself an address.
    ("net/ipv6/conf/default/disable_ipv6", "1"),
    # As Docker: ping and ports below 1024 need no privilege inside.
    ("net/ipv4/ping_group_range", "0 2147483647"),
    ("net/ipv4/ip_unprivileged_port_start", "0"),
)


def create(folder: Path, container_id: str, owner: Path | None = None) -> Path:
    """A new namespace with its loopback up. One that a former run of the container left is replaced.

    ``owner`` is the pinned user namespace that it belongs to, if it is not the daemon's.
    """
    path = folder / container_id
    try:
        namespaces.pin_new(path, owner)
    except FileExistsError:
        namespaces.unpin(path)
        namespaces.pin_new(path, owner)
    try:
        with namespaces.inside(path), links.open_route_socket() as sock:
            sock.batch([links.set_up()])
            for name, value in _SETTINGS:
                _set(name, value)
    except BaseException:
        namespaces.unpin(path)
        raise
    return path


def remove(folder: Path, container_id: str) -> None:
    """Let go of it; the kernel ends it with its last process. Idempotent."""
    namespaces.unpin(folder / container_id)


def existing(folder: Path) -> list[str]:
    """The container IDs that sandboxes are pinned for."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def _set(name: str, value: str) -> None:
    try:
        sysctl.write(name, value)
    except FileNotFoundError:
        return  # a kernel without IPv6 has nothing to switch off
