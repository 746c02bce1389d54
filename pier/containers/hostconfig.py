"""How a container meets its host: the API's HostConfig and the objects in it.

Docker distinguishes "not given" (``null`` in ``inspect``) from "given as none" (``[]``): None and () here.
"""

from pier.containers.wire import ApiStruct

Strings = tuple[str, ...]


class LogConfig(ApiStruct, frozen=True, kw_only=True):
    """The log driver and its options (``max-size``, ``max-file``)."""

    type: str = ""
    config: dict[str, str] | None = None


class RestartPolicy(ApiStruct, frozen=True, kw_only=True):
    """``no`` (or empty), ``always``, ``unless-stopped``, ``on-failure`` (``maximum_retry_count`` 0: without end)."""

    name: str = ""
    maximum_retry_count: int = 0


class HostPort(ApiStruct, frozen=True, kw_only=True):
    """Where a published port is bound; empty means any address, any free port."""

    host_ip: str = ""
    host_port: str = ""


class BindOptions(ApiStruct, frozen=True, kw_only=True, omit_defaults=True):
    propagation: str = ""
    non_recursive: bool = False
    create_mountpoint: bool = False
    read_only_non_recursive: bool = False
    read_only_force_recursive: bool = False


class VolumeDriver(ApiStruct, frozen=True, kw_only=True, omit_defaults=True):
    name: str = ""
    options: dict[str, str] | None = None


class VolumeOptions(ApiStruct, frozen=True, kw_only=True, omit_defaults=True):
    no_copy: bool = False
    labels: dict[str, str] | None = None
    driver_config: VolumeDriver | None = None
    subpath: str = ""


class TmpfsOptions(ApiStruct, frozen=True, kw_only=True, omit_defaults=True):
    size_bytes: int = 0
    mode: int = 0
    options: tuple[Strings, ...] | None = None


class ImageOptions(ApiStruct, frozen=True, kw_only=True, omit_defaults=True):
    subpath: str = ""


class MountRequest(ApiStruct, frozen=True, kw_only=True, omit_defaults=True):
    """One ``--mount``: ``type`` is bind, volume, tmpfs, image (npipe and cluster are refused)."""

    type: str = ""
    source: str = ""
    target: str = ""
    read_only: bool = False
    consistency: str = ""
    bind_options: BindOptions | None = None
    volume_options: VolumeOptions | None = None
    tmpfs_options: TmpfsOptions | None = None
    image_options: ImageOptions | None = None


class Device(ApiStruct, frozen=True, kw_only=True):
    path_on_host: str = ""
    path_in_container: str = ""
    cgroup_permissions: str = ""


class DeviceRequest(ApiStruct, frozen=True, kw_only=True):
    driver: str = ""
    count: int = 0
    device_ids: Strings | None = None
    capabilities: tuple[Strings, ...] | None = None
    options: dict[str, str] | None = None


class WeightDevice(ApiStruct, frozen=True, kw_only=True):
    path: str = ""
    weight: int = 0


class ThrottleDevice(ApiStruct, frozen=True, kw_only=True):
    path: str = ""
    rate: int = 0


class Ulimit(ApiStruct, frozen=True, kw_only=True):
    name: str = ""
    hard: int = 0
    soft: int = 0


class HostConfig(ApiStruct, frozen=True, kw_only=True):
    """Memory and sizes in bytes, -1 means without limit where Docker says so; times in microseconds."""

    binds: Strings | None = None
    container_id_file: str = ""
    log_config: LogConfig = LogConfig()
    network_mode: str = ""
    port_bindings: dict[str, tuple[HostPort, ...] | None] | None = None
    restart_policy: RestartPolicy = RestartPolicy()
    auto_remove: bool = False
    volume_driver: str = ""
    volumes_from: Strings | None = None
    console_size: tuple[int, int] = (0, 0)
    annotations: dict[str, str] | None = None
    cap_add: Strings | None = None
    cap_drop: Strings | None = None
    cgroupns_mode: str = ""
    dns: Strings | None = None
    dns_options: Strings | None = None
    dns_search: Strings | None = None
    extra_hosts: Strings | None = None
    group_add: Strings | None = None
    ipc_mode: str = ""
    cgroup: str = ""
    links: Strings | None = None
    oom_score_adj: int = 0
    pid_mode: str = ""
    privileged: bool = False
    publish_all_ports: bool = False
    readonly_rootfs: bool = False
    security_opt: Strings | None = None
    storage_opt: dict[str, str] | None = None
    tmpfs: dict[str, str] | None = None
    uts_mode: str = ""
    userns_mode: str = ""
    shm_size: int = 0
    sysctls: dict[str, str] | None = None
    runtime: str = ""
    isolation: str = ""
    cpu_shares: int = 0
    memory: int = 0
    nano_cpus: int = 0
    cgroup_parent: str = ""
    blkio_weight: int = 0
    blkio_weight_device: tuple[WeightDevice, ...] | None = None
    blkio_device_read_bps: tuple[ThrottleDevice, ...] | None = None
    blkio_device_write_bps: tuple[ThrottleDevice, ...] | None = None
    blkio_device_read_iops: tuple[ThrottleDevice, ...] | None = None
    blkio_device_write_iops: tuple[ThrottleDevice, ...] | None = None
    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_realtime_period: int = 0
    cpu_realtime_runtime: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    devices: tuple[Device, ...] | None = None
    device_cgroup_rules: Strings | None = None
    device_requests: tuple[DeviceRequest, ...] | None = None
    memory_reservation: int = 0
    memory_swap: int = 0
    memory_swappiness: int | None = None
    oom_kill_disable: bool | None = None
    pids_limit: int | None = None
    ulimits: tuple[Ulimit, ...] | None = None
    cpu_count: int = 0
    cpu_percent: int = 0
    io_maximum_iops: int = 0
    io_maximum_bandwidth: int = 0
    mounts: tuple[MountRequest, ...] | None = None
    masked_paths: Strings | None = None
    readonly_paths: Strings | None = None
    init: bool | None = None
    kernel_memory: int = 0
    kernel_memory_tcp: int = 0
