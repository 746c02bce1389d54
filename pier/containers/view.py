"""Records in the shape of the Engine API (pure)."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from pier.containers.config import ContainerConfig, EndpointSettings
from pier.containers.container import Container, MountPoint
from pier.containers.healthstate import Health
from pier.containers.hostconfig import HostConfig
from pier.containers.ports import port_map
from pier.events.timestamps import rfc3339
from pier.networks.network import Endpoint

# Members that Docker leaves out when they are empty; all others it shows, null or not.
_CONFIG_OPTIONAL: Final = (
    "ArgsEscaped", "ExposedPorts", "Healthcheck", "MacAddress", "NetworkDisabled", "Shell", "StopSignal",
)  # fmt: skip
_HOST_OPTIONAL: Final = (
    "Annotations", "KernelMemory", "KernelMemoryTCP", "Mounts", "StorageOpt", "Sysctls", "Tmpfs",
)  # fmt: skip
_HEALTH_OPTIONAL: Final = ("Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries")
_NO_ENDPOINT: Final = Endpoint(id="", network_id="", network_name="", container_id="")


def state_json(record: Container) -> dict[str, Any]:
    """``State``."""
    state = record.state
    health = {"Health": _health_json(state.health)} if state.health else {}
    return {
        "Status": state.status,
        "Running": state.running,
        "Paused": state.status == "paused",
        "Restarting": state.status == "restarting",
        "OOMKilled": state.oom_killed,
        "Dead": state.status == "dead",
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": rfc3339(state.started_at),
        "FinishedAt": rfc3339(state.finished_at),
        **health,
    }


def _health_json(health: Health) -> dict[str, Any]:
    log = [
        {
            "Start": rfc3339(each.started_at),
            "End": rfc3339(each.ended_at),
            "ExitCode": each.exit_code,
            "Output": each.output,
        }
        for each in health.log
    ]
    return {"Status": health.status, "FailingStreak": health.failing_streak, "Log": log}


def config_json(config: ContainerConfig) -> dict[str, Any]:
    """``Config``."""
    shown = _without(msgspec.to_builtins(config), _CONFIG_OPTIONAL)
    if shown["StopTimeout"] is None:
        del shown["StopTimeout"]
    if "Healthcheck" in shown:
        shown["Healthcheck"] = _without(shown["Healthcheck"], _HEALTH_OPTIONAL)
    return shown


def host_config_json(host: HostConfig) -> dict[str, Any]:
    """``HostConfig``."""
    shown = _without(msgspec.to_builtins(host), _HOST_OPTIONAL)
    if shown["Init"] is None:
        del shown["Init"]
    return shown


def mount_json(mount: MountPoint) -> dict[str, Any]:
    """One of ``Mounts``."""
    shown: dict[str, Any] = {"Type": mount.type}
    if mount.name:
        shown["Name"] = mount.name
    shown |= {"Source": mount.source, "Destination": mount.destination}
    if mount.type == "volume":
        shown["Driver"] = mount.driver
    return shown | {"Mode": mount.mode, "RW": mount.rw, "Propagation": mount.propagation}


def networks_json(record: Container, network_ids: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """``NetworkSettings.Networks``. ``network_ids``: ids by name, for networks that it is not on at present."""
    found = {endpoint.network_name: endpoint for endpoint in record.endpoints}
    shown: dict[str, dict[str, Any]] = {}
    for name, settings in record.networks.items():
        endpoint = found.get(name, _NO_ENDPOINT)
        network_id = endpoint.network_id or (network_ids.get(name, "") if record.state.started_at else "")
        shown[name] = _endpoint_json(settings, endpoint, network_id)
    return shown


def network_settings_json(record: Container, bridge: str, network_ids: Mapping[str, str]) -> dict[str, Any]:
    """``NetworkSettings``, with the members that repeat the endpoint on the default bridge for old clients."""
    main = next((each for each in record.endpoints if each.network_name == "bridge"), _NO_ENDPOINT)
    sandbox = next((each.sandbox for each in record.endpoints if each.sandbox), "")
    return {
        "Bridge": bridge if main.id else "",
        "SandboxID": record.id if sandbox else "",
        "SandboxKey": sandbox,
        "Ports": ports_json(record),
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "EndpointID": main.id,
        "Gateway": main.gateway,
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "IPAddress": main.address,
        "IPPrefixLen": main.prefix_len,
        "IPv6Gateway": "",
        "MacAddress": main.mac,
        "Networks": networks_json(record, network_ids),
    }


def ports_json(record: Container) -> dict[str, list[dict[str, str]] | None]:
    """``NetworkSettings.Ports``: empty when the container has no network of its own at present."""
    own = [endpoint for endpoint in record.endpoints if endpoint.address]
    if not own:
        return {}
    return port_map(record.config.exposed_ports or {}, (port for endpoint in own for port in endpoint.ports))


def command_text(path: str, arguments: Iterable[str]) -> str:
    """``Command`` of ``ps``: words with a space in them are quoted."""
    return " ".join([path, *(f"'{word}'" if " " in word else word for word in arguments)])


def _endpoint_json(settings: EndpointSettings, endpoint: Endpoint, network_id: str) -> dict[str, Any]:
    ipam = None if settings.ipam_config is None else _without(
        msgspec.to_builtins(settings.ipam_config), ("IPv4Address", "IPv6Address", "LinkLocalIPs")
    )  # fmt: skip
    return {
        "IPAMConfig": ipam,
        "Links": settings.links,
        "Aliases": settings.aliases,
        "MacAddress": endpoint.mac or settings.mac_address,
        "DriverOpts": settings.driver_opts,
        "GwPriority": settings.gw_priority,
        "NetworkID": network_id,
        "EndpointID": endpoint.id,
        "Gateway": endpoint.gateway,
        "IPAddress": endpoint.address,
        "IPPrefixLen": endpoint.prefix_len,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "DNSNames": None,
    }


def _without(shown: dict[str, Any], optional: Iterable[str]) -> dict[str, Any]:
    for key in optional:
        if not shown.get(key):
            shown.pop(key, None)
    return shown
