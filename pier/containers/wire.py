"""How structs of this package are named in the Engine API's JSON (pure).

The API writes ``CpuShares`` where we write ``cpu_shares``; Go's initialisms are the exceptions. Requests are
made uniform before they are decoded: clients send ``null`` for "not given", and a string for a one-word list.
"""

from typing import Any, Final, TypeVar

import msgspec

from pier.errors import InvalidArgument

T = TypeVar("T")

_EXCEPTIONS: Final = {
    "blkio_device_read_iops": "BlkioDeviceReadIOps",
    "blkio_device_write_iops": "BlkioDeviceWriteIOps",
    "container_id_file": "ContainerIDFile",
    "device_ids": "DeviceIDs",
    "dns_names": "DNSNames",
    "endpoint_id": "EndpointID",
    "global_ipv6_address": "GlobalIPv6Address",
    "global_ipv6_prefix_len": "GlobalIPv6PrefixLen",
    "io_maximum_bandwidth": "IOMaximumBandwidth",
    "io_maximum_iops": "IOMaximumIOps",
    "ip_address": "IPAddress",
    "ip_prefix_len": "IPPrefixLen",
    "ipam_config": "IPAMConfig",
    "ipv4_address": "IPv4Address",
    "ipv6_address": "IPv6Address",
    "ipv6_gateway": "IPv6Gateway",
    "kernel_memory_tcp": "KernelMemoryTCP",
    "link_local_ips": "LinkLocalIPs",
    "network_id": "NetworkID",
    "oom_killed": "OOMKilled",
    "rw": "RW",
    "uts_mode": "UTSMode",
}


def api_name(field: str) -> str:
    """The API's name of a field of ours."""
    return _EXCEPTIONS.get(field) or "".join(part.capitalize() for part in field.split("_"))


class ApiStruct(msgspec.Struct, frozen=True, kw_only=True, rename=api_name):
    """Base of the structs that mirror the API. Unknown fields are ignored, absent ones have Docker's default."""


def without_nulls(value: Any) -> Any:
    """``value`` (decoded JSON) with every null member of an object left out, at any depth."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def words(body: dict[str, Any], *fields: str) -> None:
    """Turn a string into a list of one, in place, for ``fields`` that Go declares as ``strslice``."""
    for name in fields:
        if isinstance(body.get(name), str):
            body[name] = [body[name]]


def convert(body: Any, type: type[T]) -> T:
    """Decode ``body`` as ``type``; InvalidArgument names the field that is wrong."""
    try:
        return msgspec.convert(body, type, strict=True)
    except msgspec.ValidationError as error:
        raise InvalidArgument(f"invalid JSON: {error}") from error
