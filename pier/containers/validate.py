"""Whether a request for a container makes sense (pure): InvalidArgument in Docker's words, or warnings."""

import ipaddress
import posixpath
import re
from typing import Final

from pier.containers.config import ContainerConfig, HealthConfig
from pier.containers.hostconfig import HostConfig, LogConfig
from pier.containers.limits import check_resources
from pier.containers.ports import port_requests
from pier.containers.restart import check_policy
from pier.containers.security import confinement, split_option
from pier.containers.signals import parse_signal
from pier.containers.specplan import device_rules
from pier.errors import InvalidArgument

_LOG_DRIVERS: Final = ("", "json-file", "local", "none")
_LOG_OPTIONS: Final = ("max-size", "max-file", "compress", "labels", "labels-regex", "env", "env-regex", "tag", "mode",
                       "max-buffer-size")  # fmt: skip
_SECURITY_KEYS: Final = ("apparmor", "label", "no-new-privileges", "seccomp", "systempaths", "writable-cgroups")
_MAC: Final = re.compile(r"(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}")
_HOSTNAME_LIMIT: Final = 64
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?) ?([kKmMgGtT]?)(?:i?[bB])?")
_MILLISECOND: Final = 1_000_000


def validate_request(config: ContainerConfig, host: HostConfig) -> None:
    """Check what the user asks himself, before the image's configuration is joined to it."""
    _namespaces(config, host)
    _network(config, host)
    _security(host)


def validate(config: ContainerConfig, host: HostConfig, cpus: frozenset[int]) -> list[str]:
    """Check a merged configuration; returns warnings for the user."""
    if not config.entrypoint and not config.cmd:
        raise InvalidArgument("no command specified")
    _process(config)
    port_requests(config, host)
    check_policy(host.restart_policy)
    if host.auto_remove and host.restart_policy.name not in ("", "no"):
        raise InvalidArgument("can't create 'AutoRemove' container with restart policy")
    check_log(host.log_config)
    if host.isolation not in ("", "default"):
        raise InvalidArgument(f"Invalid isolation: \"{host.isolation}\" - linux only supports 'default'")
    if host.storage_opt:
        raise InvalidArgument("--storage-opt is supported only for overlay over xfs with 'pquota' mount option")
    return [*check_resources(host, cpus), *_discarded(host)]


def network_peer(mode: str) -> str | None:
    """The container whose namespace a mode ``container:NAME`` means; None for any other mode."""
    kind, colon, name = mode.partition(":")
    return name if kind == "container" and colon else None


def parse_size(text: str) -> int:
    """``10m``, ``1.5GB`` in bytes (1 k is 1024). InvalidArgument."""
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise InvalidArgument(f"invalid size: '{text}'")
    return int(float(match[1]) * 1024 ** " kmgt".index(match[2].lower() or " "))


def check_log(log: LogConfig) -> None:
    """InvalidArgument for a log driver that we do not have, or an option that it has not."""
    if log.type not in _LOG_DRIVERS:
        raise InvalidArgument(f'error looking up logging plugin {log.type}: plugin "{log.type}" not found')
    for key, value in (log.config or {}).items():
        if key not in _LOG_OPTIONS:
            raise InvalidArgument(f"unknown log opt '{key}' for {log.type or 'json-file'} log driver")
        if key == "max-size" and value != "-1":
            parse_size(value)
        if key == "max-file" and not (value.isdigit() and int(value) >= 1):
            raise InvalidArgument("max-file cannot be less than 1")


def _process(config: ContainerConfig) -> None:
    if config.working_dir and not config.working_dir.startswith("/"):
        raise InvalidArgument(
            f"the working directory '{config.working_dir}' is invalid, it needs to be an absolute path"
        )
    for variable in config.env or ():
        if not variable or variable.startswith("="):
            raise InvalidArgument(f"invalid environment variable: {variable}")
        if "\0" in variable:
            raise InvalidArgument("invalid environment variable: it contains a NUL byte")
    if any("\0" in word for word in (*(config.entrypoint or ()), *(config.cmd or ()))):
        raise InvalidArgument("invalid command: it contains a NUL byte")
    if config.stop_signal:
        parse_signal(config.stop_signal)
    if config.healthcheck:
        _health(config.healthcheck)


def _health(health: HealthConfig) -> None:
    named = {"Interval": health.interval, "Timeout": health.timeout, "StartPeriod": health.start_period,
             "StartInterval": health.start_interval}  # fmt: skip
    for name, value in named.items():
        if value != 0 and value < _MILLISECOND:
            raise InvalidArgument(f"{name} in Healthcheck cannot be less than 1ms")
    if health.retries < 0:
        raise InvalidArgument("Retries in Healthcheck cannot be negative")


def _namespaces(config: ContainerConfig, host: HostConfig) -> None:
    modes = (
        ("PID", host.pid_mode, ("", "host")),
        ("IPC", host.ipc_mode, ("", "none", "private", "shareable", "host")),
        ("UTS", host.uts_mode, ("", "host")),
        ("user namespace", host.userns_mode, ("", "host", "private")),
        ("cgroup namespace", host.cgroupns_mode, ("", "private", "host")),
    )
    for what, mode, allowed in modes:
        if mode not in allowed and not (what in ("PID", "IPC") and network_peer(mode)):
            raise InvalidArgument(f"invalid {what} mode: {mode}")
    if host.userns_mode == "private":
        _user_namespace(host)
    if host.uts_mode == "host" and (config.hostname or config.domainname):
        raise InvalidArgument("conflicting options: hostname and the UTS mode")
    if len(config.hostname) > _HOSTNAME_LIMIT or "\n" in config.hostname or "\0" in config.hostname:
        raise InvalidArgument(f"invalid hostname: {config.hostname!r}")


def _user_namespace(host: HostConfig) -> None:
    """Docker's conflicts with a user namespace, and what cannot be had in one at all."""
    conflicts = (
        (host.privileged, "privileged mode is incompatible with user namespaces.  You must run the container in the "
                          "host namespace when running privileged mode"),
        (host.network_mode == "host", "cannot share the host's network namespace when user namespaces are enabled"),
        (host.pid_mode == "host", "cannot share the host PID namespace when user namespaces are enabled"),
        (host.ipc_mode == "host", "cannot share the host IPC namespace when user namespaces are enabled"),
        (host.oom_score_adj < 0, "a negative OomScoreAdj is incompatible with user namespaces"),
        (host.devices or host.device_requests, "devices are incompatible with user namespaces: they belong to users "
                                               "of the host, who are not known in the container"),
    )  # fmt: skip
    for wrong, message in conflicts:
        if wrong:
            raise InvalidArgument(message)


def _network(config: ContainerConfig, host: HostConfig) -> None:
    for text in host.extra_hosts or ():
        parse_extra_host(text)
    for server in host.dns or ():
        if not _is_address(server):
            raise InvalidArgument(f"bad nameserver address {server}: not an IP address")
    if config.mac_address and not _MAC.fullmatch(config.mac_address):
        raise InvalidArgument(f"invalid MAC address {config.mac_address}")
    if host.network_mode.startswith("container:") or host.network_mode == "container":
        _shared_network(config, host)


def _shared_network(config: ContainerConfig, host: HostConfig) -> None:
    conflicts = (
        (not network_peer(host.network_mode), "Invalid network mode: invalid container format container:<name|id>"),
        (config.hostname, "conflicting options: hostname and the network mode"),
        (host.links, "conflicting options: container type network can't be used with links. "
                     "This would result in undefined behavior"),
        (host.dns, "conflicting options: dns and the network mode"),
        (host.extra_hosts, "conflicting options: custom host-to-IP mapping and the network mode"),
        (config.mac_address, "conflicting options: mac-address and the network mode"),
        (host.port_bindings or host.publish_all_ports,
         "conflicting options: port publishing and the container type network mode"),
        (config.exposed_ports, "conflicting options: port exposing and the container type network mode"),
    )  # fmt: skip
    for wrong, message in conflicts:
        if wrong:
            raise InvalidArgument(message)


def parse_extra_host(text: str) -> tuple[str, str]:
    """``name:address`` (or ``name=address``) as a pair; the address may be ``host-gateway``. InvalidArgument."""
    name, separator, address = text.partition(":") if "=" not in text else text.partition("=")
    if not separator or not name:
        raise InvalidArgument(f'bad format for add-host: "{text}"')
    address = address.removeprefix("[").removesuffix("]")
    if address != "host-gateway" and not _is_address(address):
        raise InvalidArgument(f'invalid IP address in add-host: "{address}"')
    return name, address


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _security(host: HostConfig) -> None:
    for text in host.security_opt or ():
        key, value = split_option(text)
        if value == "true" and "=" not in text and key not in ("no-new-privileges", "writable-cgroups"):
            raise InvalidArgument(f'invalid --security-opt 1: "{text}"')
        if key not in _SECURITY_KEYS:
            raise InvalidArgument(f'invalid --security-opt 2: "{text}"')
    confinement(host)
    for _ in device_rules(host.device_cgroup_rules or ()):
        pass
    for path in (*(host.masked_paths or ()), *(host.readonly_paths or ())):
        if not posixpath.isabs(path):
            raise InvalidArgument(f"invalid masked or read-only path {path!r}: it must be absolute")


def _discarded(host: HostConfig) -> list[str]:
    if host.network_mode == "host" and host.port_bindings:
        return ["Published ports are discarded when using host network mode"]
    return []
