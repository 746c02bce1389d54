"""Containers (contract): the record that outlives the daemon.

A record is frozen: a change makes a new one and :class:`pier.containers.registry.Registry` puts it in the
place of the old one, in memory and in the store. Its life::

    create ──► created ──start──► running ◄──unpause── paused
                  ▲                 │ │  ───pause────►
                  └─ start failed ──┘ └─ the process ends ──► exited ──start──► running
                                             │ policy says again
                                             ▼
                                        restarting ──back-off over──► running

and from every state ``removing`` leads out of the registry. :mod:`pier.containers.state` has the rules.
"""

from typing import Any, Literal

import msgspec

from pier.containers.config import ContainerConfig, EndpointSettings
from pier.containers.healthstate import Health
from pier.containers.hostconfig import HostConfig
from pier.networks.network import Endpoint
from pier.oci.digest import Digest
from pier.runtime.runtime import Supervised

Status = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the container stands. Times in nanoseconds since the epoch, 0 is never. ``health`` None: no check."""

    status: Status = "created"
    pid: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started_at: int = 0
    finished_at: int = 0
    health: Health | None = None

    @property
    def running(self) -> bool:
        """A process exists, or will exist again without anybody asking (Docker's ``Running``)."""
        return self.status in ("running", "paused", "restarting")

    @property
    def alive(self) -> bool:
        """A process exists now."""
        return self.status in ("running", "paused")


class MountPoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One mount of the user's, as decided at creation. ``source`` is a host path; ``name`` that of a volume.

    ``subpath`` lies within the volume; ``copy`` asks for copy-up at the first use; ``anonymous`` volumes go
    with the container when it is removed with its volumes. ``options`` are mount options of a bind or tmpfs.
    """

    type: Literal["bind", "volume", "tmpfs", "image"]
    destination: str
    source: str = ""
    name: str = ""
    driver: str = ""
    mode: str = ""
    rw: bool = True
    propagation: str = ""
    subpath: str = ""
    copy: bool = False
    anonymous: bool = False
    create_source: bool = False
    recursive: bool = True
    options: tuple[str, ...] = ()


class IdRange(msgspec.Struct, frozen=True):
    """The host's ids that those of a container's user namespace are, from 0 on: ``size`` users and as many groups."""

    uid: int
    gid: int
    size: int = 65536


class Container(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A container. ``name`` has no leading slash; ``image_name`` is what the user wrote, ``image_id`` what it was.

    ``parent`` is the layer under the writable one (None for an image without layers). ``stopped_by_user``
    keeps ``unless-stopped`` and ``always`` from starting it again. ``id_range`` is its own from its first start in a
    user namespace on. ``supervised`` is there while a process is,
    and until its exit has been dealt with.
    """

    id: str
    name: str
    created: int
    image_id: str
    image_name: str
    parent: Digest | None
    config: ContainerConfig
    host_config: HostConfig
    path: str
    args: tuple[str, ...] = ()
    networks: dict[str, EndpointSettings] = {}
    mounts: tuple[MountPoint, ...] = ()
    state: State = State()
    supervised: Supervised | None = None
    endpoints: tuple[Endpoint, ...] = ()
    restart_count: int = 0
    stopped_by_user: bool = False
    id_range: IdRange | None = None

    @property
    def labels(self) -> dict[str, str]:
        return self.config.labels or {}

    def replace(self, **changes: Any) -> "Container":
        """This record with some members changed."""
        return msgspec.structs.replace(self, **changes)

    def with_state(self, **changes: Any) -> "Container":
        """This record with some members of its state changed."""
        return msgspec.structs.replace(self, state=msgspec.structs.replace(self.state, **changes))
