"""``--mount type=bind,source=/a,target=/b,readonly``: a CSV of fields to the API's mount object."""

from __future__ import annotations

import os

from pier.cli.options.quantities import memory
from pier.cli.values import boolean, comma_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

BARE = frozenset(("readonly", "ro", "volume-nocopy", "bind-nonrecursive"))
GROUPS = {"bind": "BindOptions", "volume": "VolumeOptions", "image": "ImageOptions", "tmpfs": "TmpfsOptions"}
RECURSIVE = ("enabled", "disabled", "writable", "readonly")


def mount(text: str) -> Json:
    """One mount. Raises ``ValueError`` in Docker's words."""
    if not text:
        raise ValueError("EOF")
    result: Json = {"Type": "volume", "Source": "", "Target": ""}
    for field in comma_list(text):
        key, equals, value = field.partition("=")
        key = key.lower()
        if not equals:
            if key not in BARE:
                raise ValueError(f"invalid field '{field}' must be a key=value pair")
            value = "true"
        _set(result, key, value, field)
    _check(result)
    return {name: value for name, value in result.items() if value != ""}


def _set(result: Json, key: str, value: str, field: str) -> None:
    if key == "type":
        result["Type"] = value.lower()
    elif key in ("source", "src"):
        relative = value == "." or value.startswith(("./", "../"))
        result["Source"] = os.path.abspath(value) if relative else value
    elif key in ("target", "dst", "destination"):
        result["Target"] = value
    elif key in ("readonly", "ro"):
        result["ReadOnly"] = _boolean(key, value)
    elif key == "consistency":
        result["Consistency"] = value.lower()
    elif key.partition("-")[0] in GROUPS and "-" in key:
        _set_option(result, key, value, field)
    else:
        raise ValueError(f"unexpected key '{key}' in '{field}'")


def _set_option(result: Json, key: str, value: str, field: str) -> None:
    group, _, name = key.partition("-")
    options: Json = result.setdefault(GROUPS[group], {})
    if key == "bind-propagation":
        options["Propagation"] = value.lower()
    elif key == "bind-nonrecursive":
        options["NonRecursive"] = _boolean(key, value)
    elif key == "bind-recursive":
        _set_recursive(options, value)
    elif key == "volume-subpath" or key == "image-subpath":
        options["Subpath"] = value
    elif key == "volume-nocopy":
        options["NoCopy"] = _boolean(key, value)
    elif key == "volume-label":
        label, _, text = value.partition("=")
        options.setdefault("Labels", {})[label] = text
    elif key == "volume-driver":
        options.setdefault("DriverConfig", {})["Name"] = value
    elif key == "volume-opt":
        option, _, text = value.partition("=")
        options.setdefault("DriverConfig", {}).setdefault("Options", {})[option] = text
    elif key == "tmpfs-size":
        options["SizeBytes"] = _checked(key, value, memory)
    elif key == "tmpfs-mode":
        options["Mode"] = _checked(key, value, lambda text: int(text, 8))
    else:
        raise ValueError(f"unexpected key '{group}-{name}' in '{field}'")


def _set_recursive(options: Json, value: str) -> None:
    if value not in RECURSIVE:
        raise ValueError(
            f'invalid value for bind-recursive: {value} (must be "enabled", "disabled", "writable", or "readonly")'
        )
    if value == "disabled":
        options["NonRecursive"] = True
    elif value == "writable":
        options["ReadOnlyNonRecursive"] = True
    elif value == "readonly":
        options["ReadOnlyForceRecursive"] = True


def _checked(key: str, value: str, convert: Any) -> Any:
    try:
        return convert(value)
    except ValueError:
        raise ValueError(f"invalid value for {key}: {value}") from None


def _boolean(key: str, value: str) -> Any:
    return _checked(key, value, boolean)


def _check(result: Json) -> None:
    if not result["Type"]:
        raise ValueError("type is required")
    if not result["Target"]:
        raise ValueError("target is required")
    kind = result["Type"]
    for group, name in GROUPS.items():
        if name in result and kind != group and not (group == "volume" and kind == "cluster"):
            raise ValueError(f"cannot mix '{group}-*' options with mount type '{kind}'")
    bind = result.get("BindOptions", {})
    if bind.get("ReadOnlyForceRecursive") or bind.get("ReadOnlyNonRecursive"):
        mode = "readonly" if bind.get("ReadOnlyForceRecursive") else "writable"
        if not result.get("ReadOnly"):
            raise ValueError(f"option 'bind-recursive={mode}' requires 'readonly' to be specified in conjunction")
        if mode == "readonly" and bind.get("Propagation") != "rprivate":
            raise ValueError(
                "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction"
            )


def volumes(specs: list[str]) -> tuple[list[str], dict[str, Json]]:
    """``-v`` values: those with a source are binds (``.`` made absolute), the rest anonymous volumes."""
    binds: list[str] = []
    anonymous: dict[str, Json] = {}
    for spec in specs:
        source, colon, rest = spec.partition(":")
        if not colon:
            anonymous[spec] = {}
        else:
            binds.append(f"{os.path.abspath(source)}:{rest}" if source.startswith(".") else spec)
    return binds, anonymous


def tmpfs(specs: list[str]) -> dict[str, str]:
    """``--tmpfs /run:size=64k`` values by target."""
    return dict(spec.partition(":")[::2] for spec in specs)
