"""``/networks``: the three that always exist. Making others comes with user-defined networks."""

from typing import Any

from aiohttp import web

from pier.api.call import Call
from pier.api.replies import reply
from pier.api.routing import Route
from pier.errors import Forbidden, Unsupported
from pier.events.filters import Filters, parse_filters
from pier.networks.network import Endpoint, Network

_KNOWN = ("dangling", "driver", "id", "label", "name", "scope", "type")


def describe(network: Network, endpoints: dict[str, Any] | None = None) -> dict[str, Any]:
    """The API's Network; ``endpoints`` is the ``Containers`` member."""
    pools = [{"Subnet": network.subnet, "Gateway": network.gateway}] if network.subnet else None
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": network.created,
        "Scope": network.scope,
        "Driver": network.driver,
        "EnableIPv4": True,
        "EnableIPv6": network.ipv6,
        "IPAM": {"Driver": "default", "Options": None, "Config": pools},
        "Internal": network.internal,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": endpoints or {},
        "Options": _options(network),
        "Labels": network.labels,
    }


def _options(network: Network) -> dict[str, str]:
    """For a bridge, what Docker says of its default one; clients look for the default's mark."""
    if network.driver != "bridge":
        return dict(network.options)
    known = {"com.docker.network.bridge.name": network.bridge}
    if network.name == "bridge":
        known["com.docker.network.bridge.default_bridge"] = "true"
        known["com.docker.network.bridge.enable_icc"] = "true"
        known["com.docker.network.bridge.enable_ip_masquerade"] = "true"
        known["com.docker.network.bridge.host_binding_ipv4"] = "0.0.0.0"
    if network.mtu:
        known["com.docker.network.driver.mtu"] = str(network.mtu)
    return known | network.options


def describe_endpoint(endpoint: Endpoint) -> dict[str, str]:
    return {
        "Name": endpoint.container_name,
        "EndpointID": endpoint.id,
        "MacAddress": endpoint.mac,
        "IPv4Address": f"{endpoint.address}/{endpoint.prefix_len}" if endpoint.address else "",
        "IPv6Address": "",
    }


async def list_networks(call: Call) -> web.Response:
    filters = parse_filters(call.text("filters"))
    filters.require_known(_KNOWN)
    return reply([describe(each) for each in call.services.networks.list() if _wanted(each, filters)])


def _wanted(network: Network, filters: Filters) -> bool:
    type_ = "builtin" if network.predefined else "custom"
    return (
        filters.exact("driver", network.driver)
        and filters.exact("scope", network.scope)
        and filters.exact("type", type_)
        and filters.prefix("id", network.id)
        and (not filters.get("name") or any(name in network.name for name in filters.get("name")))
        and filters.match_label(network.labels)
        and not (filters.boolean("dangling", False) and network.predefined)
    )


async def inspect_network(call: Call) -> web.Response:
    network = call.services.networks.find(call.name)
    endpoints = {each.container_id: describe_endpoint(each) for each in call.services.networks.endpoints(network.id)}
    return reply(describe(network, endpoints))


async def remove_network(call: Call) -> web.Response:
    network = call.services.networks.find(call.name)
    raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")


async def refuse(call: Call) -> web.Response:
    await call.body()
    raise Unsupported("user-defined networks are not supported yet: use bridge, host, none or container:NAME")


async def prune_networks(call: Call) -> web.Response:
    return reply({"NetworksDeleted": None})


ROUTES = (
    Route("GET", "/networks", list_networks),
    Route("POST", "/networks/create", refuse),
    Route("POST", "/networks/prune", prune_networks),
    Route("GET", "/networks/{name}", inspect_network),
    Route("DELETE", "/networks/{name}", remove_network),
    Route("POST", "/networks/{name}/connect", refuse),
    Route("POST", "/networks/{name}/disconnect", refuse),
)
