"""The query of ``POST /build`` as a build's request.

What has no meaning here is taken and ignored, as BuildKit does: ``rm`` and ``forcerm`` (steps leave no containers),
``cachefrom`` (cached steps are found by content, not by image), ``session``.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from pier.api.call import Call
from pier.build.request import BuildRequest, Limits, Ulimit
from pier.errors import InvalidArgument, Unsupported
from pier.oci.platform import parse_platform
from pier.oci.reference import parse_reference

_UPLOAD: Final = "upload:context"
_NETWORKS: Final = {"": "default", "default": "default", "bridge": "default", "none": "none", "host": "host"}

T = TypeVar("T")


def read_request(call: Call) -> BuildRequest:
    """Raises InvalidArgument in Docker's words, and Unsupported."""
    _refuse(call)
    network = _network(call.text("networkmode"))
    return BuildRequest(
        id=call.text("buildid") or secrets.token_hex(16),
        context=call.text("remote") or _UPLOAD,
        dockerfile=call.text("dockerfile") or "Dockerfile",
        target=call.text("target"),
        build_args=_strings(call, "buildargs", "build args"),
        labels=_strings(call, "labels", "labels"),
        tags=_tags(call),
        platforms=(str(parse_platform(call.text("platform"))),) if call.text("platform") else (),
        pull=call.flag("pull"),
        no_cache=call.flag("nocache"),
        network=network,
        entitlements=("network.host",) if network == "host" else (),
        extra_hosts=tuple(host for text in call.texts("extrahosts") for host in _hosts(text)),
        limits=_limits(call),
        squash=call.flag("squash"),
        classic=True,
    )


def _refuse(call: Call) -> None:
    version = call.text("version", "1")
    if version == "2" or call.text("remote") == "client-session":
        raise Unsupported("building with a session over POST /build is not supported: use /grpc, as buildx does")
    if version not in ("", "1"):
        raise InvalidArgument(f'invalid version "{version}"')
    if call.text("securityopt") and _decoded(call, "securityopt", "security options", list):
        raise InvalidArgument("security options are not supported on linux")
    if call.text("isolation") not in ("", "default"):
        raise InvalidArgument(f'unsupported isolation: "{call.text("isolation")}"')
    _decoded(call, "cachefrom", "cache-from", list)
    if call.text("outputs") and _decoded(call, "outputs", "outputs", list):
        raise Unsupported("outputs are not supported by POST /build: use /grpc, as buildx does")


def _network(mode: str) -> str:
    if mode not in _NETWORKS:
        raise Unsupported(f'network mode "{mode}" is not supported for builds: use default, none or host')
    return _NETWORKS[mode]


def _tags(call: Call) -> tuple[str, ...]:
    """Checked, and in canonical form."""
    found = []
    for text in filter(None, call.texts("t")):
        reference = parse_reference(text)
        if reference.digest is not None:
            raise InvalidArgument("build tag cannot contain a digest")
        found.append(str(reference.with_default_tag()))
    return tuple(dict.fromkeys(found))


def _hosts(text: str) -> list[str]:
    """One, or a JSON list of them."""
    if not text.startswith("["):
        return [text]
    try:
        return [str(each) for each in json.loads(text)]
    except ValueError as error:
        raise InvalidArgument(f'bad format for add-host: "{text}"') from error


def _strings(call: Call, key: str, what: str) -> dict[str, str]:
    """A JSON map; what is null in it is to come from nowhere."""
    found: Mapping[str, Any] = _decoded(call, key, what, dict)
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _decoded(call: Call, key: str, what: str, shape: Callable[[], T]) -> T:
    text = call.text(key)
    if not text or text == "null":
        return shape()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(
            f"error reading {what}: invalid character {text[:1]!r} looking for beginning of value"
        ) from error
    if not isinstance(value, type(shape())):
        raise InvalidArgument(f"error reading {what}: json: cannot unmarshal {text[:40]}")
    return value


def _limits(call: Call) -> Limits:
    shm_size = _number(call, "shmsize")
    if shm_size < 0:
        raise InvalidArgument("SHM size can not be less than 0")
    memory = _number(call, "memory")
    if 0 < memory < 6 << 20:
        raise InvalidArgument("Minimum memory limit allowed is 6MB")
    return Limits(
        memory=memory,
        memory_swap=_number(call, "memswap"),
        cpu_shares=_number(call, "cpushares"),
        cpu_period=_number(call, "cpuperiod"),
        cpu_quota=_number(call, "cpuquota"),
        cpuset_cpus=call.text("cpusetcpus"),
        cpuset_mems=call.text("cpusetmems"),
        shm_size=shm_size,
        ulimits=_ulimits(call),
        cgroup_parent=call.text("cgroupparent"),
    )


def _number(call: Call, key: str) -> int:
    """What is no number is 0, as in Docker."""
    try:
        return int(call.text(key, "0"))
    except ValueError:
        return 0


def _ulimits(call: Call) -> tuple[Ulimit, ...]:
    listed: list[Any] = _decoded(call, "ulimits", "ulimit settings", list)
    return tuple(_ulimit(each) for each in listed)


def _ulimit(value: Any) -> Ulimit:
    if not isinstance(value, dict) or not isinstance(value.get("Name"), str):
        raise InvalidArgument("error reading ulimit settings: a ulimit has Name, Soft and Hard")
    soft, hard = (value.get(key, 0) for key in ("Soft", "Hard"))
    if not isinstance(soft, int) or not isinstance(hard, int):
        raise InvalidArgument("error reading ulimit settings: Soft and Hard are numbers")
    return Ulimit(value["Name"], soft, hard)
