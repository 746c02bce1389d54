"""What a request leaves open, filled in as Docker does, so that ``inspect`` shows it (pure)."""

from typing import Final

import msgspec

from pier.containers.config import ContainerConfig
from pier.containers.deps import Settings
from pier.containers.hostconfig import HostConfig, LogConfig
from pier.containers.ports import exposed
from pier.containers.validate import network_peer
from pier.errors import InvalidArgument
from pier.runtime.filesystems import MASKED_PATHS, READONLY_PATHS

DEFAULT_NETWORK: Final = "bridge"
_DOCKERS_RUNTIMES: Final = ("", "runc", "io.containerd.runc.v2")


def normal_host(host: HostConfig, settings: Settings, runtime: str) -> HostConfig:
    """InvalidArgument ``unknown or invalid runtime name: x``. Docker's own runtime names mean ours."""
    if host.runtime != runtime and host.runtime not in _DOCKERS_RUNTIMES:
        raise InvalidArgument(f"unknown or invalid runtime name: {host.runtime}")
    masked, readonly = (None, None) if host.privileged else (MASKED_PATHS, READONLY_PATHS)
    log = LogConfig(type=host.log_config.type or "json-file", config=host.log_config.config or {})
    policy = msgspec.structs.replace(host.restart_policy, name=host.restart_policy.name or "no")
    return msgspec.structs.replace(
        host,
        restart_policy=policy,
        log_config=log,
        network_mode=DEFAULT_NETWORK if host.network_mode in ("", "default") else host.network_mode,
        cgroupns_mode=host.cgroupns_mode or settings.cgroupns,
        ipc_mode=host.ipc_mode or "private",
        shm_size=host.shm_size or settings.shm_size,
        runtime=runtime,
        memory_swap=host.memory * 2 if host.memory > 0 and host.memory_swap == 0 else host.memory_swap,
        memory_swappiness=None if host.memory_swappiness == -1 else host.memory_swappiness,
        oom_kill_disable=bool(host.oom_kill_disable),
        pids_limit=host.pids_limit if host.pids_limit and host.pids_limit > 0 else None,
        masked_paths=masked if host.masked_paths is None else host.masked_paths,
        readonly_paths=readonly if host.readonly_paths is None else host.readonly_paths,
    )


def normal_config(config: ContainerConfig, host: HostConfig, container_id: str, own_name: str) -> ContainerConfig:
    """``own_name`` is the host's name, which containers on its network have too."""
    hostname = config.hostname
    if not hostname and not network_peer(host.network_mode):
        on_host = host.network_mode == "host" or host.uts_mode == "host"
        hostname = own_name if on_host else container_id[:12]
    return msgspec.structs.replace(config, hostname=hostname, exposed_ports=exposed(config))
