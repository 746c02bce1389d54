"""Which verb is allowed in which state (pure), with Docker's sentence for each refusal."""

from pier.containers.container import Container
from pier.errors import Conflict, NotModified


def check_start(record: Container, removing: bool = False) -> None:
    """NotModified when it runs (also while it waits to be restarted), Conflict when it cannot be started."""
    if removing:
        raise Conflict("container is marked for removal and cannot be started")
    if record.state.status == "paused":
        raise Conflict("cannot start a paused container, try unpause instead")
    if record.state.running:
        raise NotModified(f"container {record.id} is already running")
    if record.state.status in ("removing", "dead"):
        raise Conflict("container is marked for removal and cannot be started")


def check_alive(record: Container) -> None:
    """Conflict unless there is a process, running or paused."""
    if record.state.status == "restarting":
        raise Conflict(f"Container {record.id} is restarting, wait until the container is running")
    if not record.state.alive or record.supervised is None:
        raise Conflict(f"container {record.id} is not running")


def check_pause(record: Container) -> None:
    check_alive(record)
    if record.state.status == "paused":
        raise Conflict(f"container {record.id} is already paused")


def check_unpause(record: Container) -> None:
    if record.state.status != "paused":
        raise Conflict(f"Container {record.id} is not paused")


def check_exec(record: Container) -> None:
    check_alive(record)
    if record.state.status == "paused":
        raise Conflict(f"Container {record.name} is paused, unpause the container before exec")


def check_attach(record: Container) -> None:
    if record.state.status == "paused":
        raise Conflict(f"container {record.id} is paused, unpause the container before attach")
    if record.state.status == "restarting":
        raise Conflict(f"container {record.id} is restarting, wait until the container is running")


def check_remove(record: Container, force: bool) -> None:
    """What ``rm`` answers while there is a process; ``force`` forgives all but a removal under way."""
    if record.state.status == "removing":
        raise Conflict(f"removal of container {record.id} is already in progress")
    if force or not record.state.running:
        return
    if record.state.status == "paused":
        raise Conflict(f'cannot remove container "/{record.name}": container is paused and must be unpaused first')
    raise Conflict(
        f'cannot remove container "/{record.name}": container is {record.state.status}: '
        "stop the container before removing or force remove"
    )
