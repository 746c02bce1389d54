"""What runs in a container: the API's ContainerConfig, and the body of ``POST /containers/create``."""

from typing import Any

import msgspec

from pier.containers.hostconfig import HostConfig
from pier.containers.wire import ApiStruct, convert, without_nulls, words
from pier.errors import InvalidArgument

Strings = tuple[str, ...]


class HealthConfig(ApiStruct, frozen=True, kw_only=True):
    """A health check; times in nanoseconds, 0 means inherit. ``test`` is ("CMD", ...), ("CMD-SHELL", s), ("NONE",)."""

    test: Strings | None = None
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class ContainerConfig(ApiStruct, frozen=True, kw_only=True):
    """The portable half of a container's configuration. None is "not given", an empty tuple "given as none"."""

    hostname: str = ""
    domainname: str = ""
    user: str = ""
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    exposed_ports: dict[str, dict[str, Any]] | None = None
    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    env: Strings | None = None
    cmd: Strings | None = None
    healthcheck: HealthConfig | None = None
    args_escaped: bool = False
    image: str = ""
    volumes: dict[str, dict[str, Any]] | None = None
    working_dir: str = ""
    entrypoint: Strings | None = None
    network_disabled: bool = False
    mac_address: str = ""
    on_build: Strings | None = None
    labels: dict[str, str] | None = None
    stop_signal: str = ""
    stop_timeout: int | None = None
    shell: Strings | None = None


class EndpointIpam(ApiStruct, frozen=True, kw_only=True):
    """Addresses asked for on one network."""

    ipv4_address: str = ""
    ipv6_address: str = ""
    link_local_ips: Strings | None = None


class EndpointSettings(ApiStruct, frozen=True, kw_only=True):
    """How a container wants to be on one network (what it got is the endpoint's, not ours)."""

    ipam_config: EndpointIpam | None = None
    links: Strings | None = None
    mac_address: str = ""
    aliases: Strings | None = None
    driver_opts: dict[str, str] | None = None
    gw_priority: int = 0


class NetworkingConfig(ApiStruct, frozen=True, kw_only=True):
    """The networks to connect at the first start, by name or id."""

    endpoints_config: dict[str, EndpointSettings] | None = None


class CreateRequest(ContainerConfig, frozen=True, kw_only=True):
    """The body of ``POST /containers/create``: a ContainerConfig with two more members."""

    host_config: HostConfig = HostConfig()
    networking_config: NetworkingConfig = NetworkingConfig()

    @property
    def config(self) -> ContainerConfig:
        """The ContainerConfig alone."""
        return ContainerConfig(**{name: getattr(self, name) for name in ContainerConfig.__struct_fields__})


def decode_create(data: bytes) -> CreateRequest:
    """Decode the request body; InvalidArgument when it is not JSON or a field has the wrong type."""
    try:
        body = msgspec.json.decode(data) if data else None
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidArgument(f"invalid JSON: {error}") from error
    if not isinstance(body, dict):
        raise InvalidArgument("config cannot be empty in order to create a container")
    body = without_nulls(body)
    words(body, "Cmd", "Entrypoint", "Shell", "OnBuild")
    return convert(body, CreateRequest)
