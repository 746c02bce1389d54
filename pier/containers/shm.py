"""``/dev/shm`` that several containers share (``--ipc shareable`` and ``--ipc container:NAME``).

It cannot be bound out of the donor's mount namespace (mount(2), EINVAL), so the donor's is mounted on the host,
in its run folder, and bound into each of them. Blocks.
"""

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from pier.containers.container import Container
from pier.containers.deps import Deps
from pier.containers.validate import network_peer
from pier.errors import Conflict
from pier.linux.mount import Mount, mount, mounted, unmount
from pier.runtime.plan import SpecMount

_OPTIONS: Final = ("nosuid", "noexec", "nodev")


def shared_memory(deps: Deps, record: Container, undo: ExitStack) -> tuple[SpecMount, ...]:
    """The mount at ``/dev/shm`` where it is shared, made if it is the container's own. Conflict, NotFound."""
    mode = record.host_config.ipc_mode
    peer = network_peer(mode)
    if mode != "shareable" and peer is None:
        return ()
    place = _place(deps, record.id)
    if peer is None:
        undo.callback(unmount_shared, deps, record.id)
        place.mkdir(mode=0o700, parents=True)
        mount(Mount("tmpfs", "shm", place, (*_OPTIONS, "mode=1777", f"size={record.host_config.shm_size}")))
    else:
        donor = deps.registry.find(peer).record
        if donor.host_config.ipc_mode not in ("shareable", "host"):
            raise Conflict(
                f"container {donor.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)"
            )
        place = _place(deps, donor.id) if donor.host_config.ipc_mode == "shareable" else Path("/dev/shm")
    return (SpecMount("bind", str(place), "/dev/shm", ("rbind", "rprivate", *_OPTIONS)),)


def unmount_shared(deps: Deps, container_id: str) -> None:
    """Idempotent; those who share it keep it."""
    place = _place(deps, container_id)
    with suppress(FileNotFoundError):
        if mounted(place):
            unmount(place, detach=True)


def _place(deps: Deps, container_id: str) -> Path:
    return deps.run_folder(container_id) / "shm"
