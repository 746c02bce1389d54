"""``--network`` in both notations, and what else says how a container is connected."""

from __future__ import annotations

from pier.cli.options.ports import is_address
from pier.cli.values import comma_list, integer
from pier.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pier.cli.call import Call

    Json = dict[str, Any]

BUILT_IN = ("default", "bridge", "host", "none")
ADDRESS_FIELDS = {"ip": "IPv4Address", "ip6": "IPv6Address"}


def network(text: str) -> Json:
    """``NAME`` or ``name=NAME,alias=A,ip=…``: the name under "name", the rest an endpoint of the API."""
    if not _is_long(text):
        return {"name": text}
    result: Json = {"name": ""}
    for field in comma_list(text):
        key, equals, value = field.partition("=")
        key = key.lower().strip()
        if not equals:
            raise ValueError(f"invalid field {field}")
        _set(result, key, value.strip())
    if not result["name"]:
        raise ValueError("network name/id is not specified")
    return result


def _is_long(text: str) -> bool:
    key, equals, value = text.partition("=")
    return bool(equals and value) and key.replace("-", "").replace("_", "").isalnum()


def _set(result: Json, key: str, value: str) -> None:
    if key == "name":
        result["name"] = value
    elif key == "alias":
        result.setdefault("Aliases", []).append(value)
    elif key in ADDRESS_FIELDS:
        result.setdefault("IPAMConfig", {})[ADDRESS_FIELDS[key]] = value
    elif key == "link-local-ip":
        result.setdefault("IPAMConfig", {}).setdefault("LinkLocalIPs", []).append(value)
    elif key == "mac-address":
        result["MacAddress"] = mac_address(value)
    elif key == "driver-opt":
        option, _, setting = value.partition("=")
        result.setdefault("DriverOpts", {})[option] = setting
    elif key == "gw-priority":
        result["GwPriority"] = integer(value)
    else:
        raise ValueError(f"invalid field key {key}")


def mac_address(text: str) -> str:
    digits = text.strip().replace("-", ":").split(":")
    if len(digits) != 6 or any(len(pair) != 2 or not pair.isalnum() for pair in digits):
        raise ValueError(f"{text} is not a valid mac address")
    try:
        bytes.fromhex("".join(digits))
    except ValueError:
        raise ValueError(f"{text} is not a valid mac address") from None
    return text.strip()


def extra_host(text: str) -> str:
    """``name:address`` or ``name=address``; ``host-gateway`` is an address."""
    name, found, address = text.partition("=")
    if not found:
        name, found, address = text.partition(":")
    if not found or not name:
        raise ValueError(f'bad format for add-host: "{text}"')
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    if address != "host-gateway" and not is_address(address):
        raise ValueError(f'invalid IP address in add-host: "{address}"')
    return f"{name}:{address}"


def dns_server(text: str) -> str:
    if not is_address(text.strip()):
        raise ValueError(f"IP address is not correctly formatted: {text}")
    return text.strip()


def dns_search(text: str) -> str:
    domain = text.strip(" ")
    if domain == ".":
        return domain
    labels = domain.removesuffix(".").split(".")
    if any(not part or part[0] == "-" or not part.replace("-", "").replace("_", "").isalnum() for part in labels):
        raise ValueError(f"{text} is not a valid domain")
    return domain


def link(text: str) -> str:
    if not text:
        raise ValueError("empty string specified for links")
    if text.count(":") > 1:
        raise ValueError(f"bad format for links: {text}")
    return text


def plan(call: Call) -> tuple[str, Json]:
    """The network mode and the endpoints by network name, from all network flags. Raises InvalidArgument."""
    requested = [dict(each) for each in call.items("network")] or [{"name": "default"}]
    names = [each["name"] for each in requested]
    for name in names:
        if names.count(name) > 1:
            raise InvalidArgument(f'network "{name}" is specified multiple times')
    if len(names) > 1 and any(_is_special(name) for name in names):
        raise InvalidArgument("conflicting options: cannot attach both user-defined and non-user-defined network-modes")
    _apply_flags(call, requested[0])
    endpoints = {each.pop("name"): each for each in requested}
    mode = names[0]
    return mode, {name: endpoint for name, endpoint in endpoints.items() if endpoint or not _is_special(name)}


def _is_special(name: str) -> bool:
    return name in BUILT_IN or name.startswith("container:")


def _apply_flags(call: Call, first: Json) -> None:
    """The flags that speak of the first network: aliases, links, addresses, MAC."""
    if call.given("network-alias"):
        first.setdefault("Aliases", []).extend(call.items("network-alias"))
    if call.given("link") and not _is_special(first["name"]):
        first["Links"] = call.items("link")
    if call.given("mac-address"):
        try:
            first["MacAddress"] = mac_address(call.text("mac-address"))
        except ValueError as error:
            raise InvalidArgument(str(error)) from None
    addresses: Json = first.get("IPAMConfig", {})
    for flag, field in ADDRESS_FIELDS.items():
        if call.given(flag):
            if field in addresses:
                raise InvalidArgument(f"conflicting options: cannot specify both --{flag} and per-network IP address")
            addresses[field] = call.text(flag)
    if call.given("link-local-ip"):
        addresses["LinkLocalIPs"] = call.items("link-local-ip")
    if addresses:
        first["IPAMConfig"] = addresses
