"""The events that containers cause, with Docker's attributes."""

from pier.containers.container import Container, MountPoint
from pier.containers.deps import Deps
from pier.networks.network import Endpoint


def announce(deps: Deps, record: Container, action: str, **attributes: str) -> None:
    """A container event: its labels, image and name, and ``attributes`` on top."""
    everything = {**record.labels, "image": record.image_name, "name": record.name, **attributes}
    deps.events.publish("container", action, record.id, everything)


def announce_network(deps: Deps, endpoint: Endpoint, driver: str, action: str) -> None:
    """``network connect`` or ``disconnect``."""
    attributes = {"container": endpoint.container_id, "name": endpoint.network_name, "type": driver}
    deps.events.publish("network", action, endpoint.network_id, attributes)


def announce_mount(deps: Deps, record: Container, mount: MountPoint) -> None:
    """``volume mount``."""
    attributes = {
        "container": record.id,
        "destination": mount.destination,
        "driver": mount.driver,
        "propagation": mount.propagation,
        "read/write": "true" if mount.rw else "false",
    }
    deps.events.publish("volume", "mount", mount.name, attributes)


def announce_unmount(deps: Deps, record: Container, mount: MountPoint) -> None:
    """``volume unmount``."""
    deps.events.publish("volume", "unmount", mount.name, {"container": record.id, "driver": mount.driver})
