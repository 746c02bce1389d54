"""``network create``: subnets, ranges and gateways matched to each other."""

from __future__ import annotations

from pier.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]


NAMES = {"IPRange": "range", "Gateway": "gateway"}


def ipam_config(subnets: list[str], ranges: list[str], gateways: list[str], auxiliary: dict[str, str]) -> list[Json]:
    """The API's IPAM configuration: every range, gateway and address goes to the subnet that holds it.

    Raises InvalidArgument.
    """
    from ipaddress import ip_address, ip_network

    if not subnets and (ranges or gateways or auxiliary):
        raise InvalidArgument("every ip-range or gateway must have a corresponding subnet")
    configs: dict[str, Json] = {}
    for text in subnets:
        subnet = _parsed(ip_network, text)
        for other in configs:
            if subnet.version == _parsed(ip_network, other).version and subnet.overlaps(_parsed(ip_network, other)):
                raise InvalidArgument("multiple overlapping subnet configuration is not supported")
        configs[text] = {"Subnet": text}

    def put(field: str, text: str, inside: Any) -> None:
        for subnet, config in configs.items():
            parsed = _parsed(ip_network, subnet)
            if parsed.version == inside.version and inside in parsed:
                if field in config:
                    both = f"{text}, {config[field]}"
                    raise InvalidArgument(
                        f"cannot configure multiple {NAMES[field]}s ({both}) on the same subnet ({subnet})"
                    )
                config[field] = text
                return
        raise InvalidArgument(f"no matching subnet for {NAMES[field]} {text}")

    for text in ranges:
        put("IPRange", text, _parsed(ip_network, text).network_address)
    for text in gateways:
        put("Gateway", text, _parsed(ip_address, text))
    for name, text in auxiliary.items():
        address = _parsed(ip_address, text)
        for subnet, config in configs.items():
            if address in _parsed(ip_network, subnet):
                config.setdefault("AuxiliaryAddresses", {})[name] = text
                break
        else:
            raise InvalidArgument(f"no matching subnet for aux-address {text}")
    return list(configs.values())


def _parsed(parser: Any, text: str) -> Any:
    try:
        return parser(text, strict=False) if parser.__name__ == "ip_network" else parser(text)
    except ValueError as error:
        raise InvalidArgument(f"invalid address {text}: {error}") from None
