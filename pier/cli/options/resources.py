"""Ulimits, device rates, sysctls and devices: flag text to the API's objects."""

from __future__ import annotations

from pier.cli.options.quantities import memory
from pier.cli.values import integer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

ULIMITS = frozenset(
    [
        "as",
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    ]
)
SYSCTLS = frozenset(
    f"kernel.{name}" for name in ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced")
)


def ulimit(text: str) -> Json:
    """``nofile=1024[:2048]`` to Name, Soft, Hard."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"invalid ulimit argument: {text}")
    if name not in ULIMITS:
        raise ValueError(f"invalid ulimit type: {name}")
    parts = value.split(":")
    if len(parts) > 2:
        raise ValueError(f"too many limit value arguments - {value}, can only have up to two, `soft[:hard]`")
    soft = integer(parts[0])
    hard = integer(parts[1]) if len(parts) == 2 else soft
    rule = "ulimit soft limit must be less than or equal to hard limit"
    if hard != -1 and soft == -1:
        raise ValueError(f"{rule}: soft: -1 (unlimited), hard: {hard}")
    if hard != -1 and soft > hard:
        raise ValueError(f"{rule}: {soft} > {hard}")
    return {"Name": name, "Hard": hard, "Soft": soft}


def _device_path(text: str) -> tuple[str, str]:
    path, colon, value = text.partition(":")
    if not colon:
        raise ValueError(f"bad format: {text}")
    if not path.startswith("/dev/"):
        raise ValueError(f"bad format for device path: {text}")
    return path, value


def weight_device(text: str) -> Json:
    path, value = _device_path(text)
    weight = int(value) if value.isdecimal() else -1
    if weight != 0 and not 10 <= weight <= 1000:
        raise ValueError(f"invalid weight for device: {text}")
    return {"Path": path, "Weight": weight}


def bps_device(text: str) -> Json:
    path, value = _device_path(text)
    try:
        return {"Path": path, "Rate": memory(value)}
    except ValueError:
        raise ValueError(
            f"invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]. "
            "Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
        ) from None


def iops_device(text: str) -> Json:
    path, value = _device_path(text)
    if not value.isdecimal():
        raise ValueError(
            f"invalid rate for device: {text}. The correct format is <device-path>:<number>. "
            "Number must be a positive integer"
        )
    return {"Path": path, "Rate": int(value)}


def sysctl(text: str) -> str:
    """Only what a namespace of the container's own keeps from the host."""
    name, equals, _ = text.partition("=")
    if not equals or not (name in SYSCTLS or name.startswith(("net.", "fs.mqueue."))):
        raise ValueError(f"sysctl '{text}' is not allowed")
    return text


def device(text: str) -> Json:
    """``/dev/a[:/dev/b][:rwm]``. Raises ``ValueError`` with Docker's words."""
    parts = text.split(":")
    if not parts[0] or len(parts) > 3:
        raise ValueError(f"bad format for path: {text}")
    permissions = "rwm"
    if len(parts) > 1 and _is_mode(parts[-1]):
        permissions = parts.pop()
    elif len(parts) == 3:
        raise ValueError(f"bad mode specified: {parts[2]}")
    for path in parts:
        if not path.startswith("/"):
            raise ValueError(f"{path} is not an absolute path")
    return {"PathOnHost": parts[0], "PathInContainer": parts[-1], "CgroupPermissions": permissions}


def _is_mode(text: str) -> bool:
    return bool(text) and len(set(text)) == len(text) and set(text) <= set("rwm")


def is_cdi(text: str) -> bool:
    """``vendor.com/class=name``: a device of the Container Device Interface."""
    kind, equals, name = text.partition("=")
    return bool(equals and name) and not kind.startswith("/") and kind.count("/") == 1


def gpu_request(text: str) -> Json:
    """``all``, a count, or ``device=0,capabilities=utility`` (a CSV of fields)."""
    from pier.cli.values import comma_list

    request: Json = {"Driver": "", "Count": 0, "DeviceIDs": None, "Capabilities": [["gpu"]], "Options": {}}
    for field in comma_list(text):
        key, equals, value = field.partition("=")
        if not equals:
            key, value = "count", field
        if key == "driver":
            request["Driver"] = value
        elif key == "count":
            request["Count"] = -1 if value == "all" else integer(value)
        elif key == "device":
            request["DeviceIDs"] = value.split(",")
        elif key == "capabilities":
            request["Capabilities"] = [[*(name for name in value.split(",") if name != "gpu"), "gpu"]]
        elif key == "options":
            request["Options"] = dict(pair.partition("=")[::2] for pair in value.split(","))
        else:
            raise ValueError(f"unexpected key '{key}' in '{field}'")
    if not request["Count"] and not request["DeviceIDs"]:
        request["Count"] = 1
    return request
