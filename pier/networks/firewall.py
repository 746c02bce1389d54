"""The rules of a bridge network, as nftables text and map elements. Pure.

One IPv4 table a bridge, named after it. A container without published ports changes nothing in it;
a published port is one map element. What the chains do, and why, is said beside them below and in
``docs/design/2026-11-21-netlink.md``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pier.linux.conntrack import Flow
from pier.networks.network import Endpoint

ANY: Final = "0.0.0.0"


@dataclass(frozen=True, slots=True)
class Plan:
    """A bridge and its subnet.

    ``resolver`` is the host's loopback resolver that containers reach at ``gateway``; ``engines`` are
    the bridges of other engines, of which containers reach published ports only.
    """

    bridge: str
    subnet: str
    gateway: str
    internal: bool = False
    resolver: str = ""
    engines: tuple[str, ...] = ()


def table_name(bridge: str) -> str:
    """The table of a bridge; one bridge belongs to one daemon, so one table does too."""
    return f"pier-{bridge}"


def ruleset(plan: Plan, endpoints: Sequence[Endpoint] = ()) -> str:
    """The whole table with the ports of ``endpoints``, replacing the one that there may be, as one transaction."""
    table, bridge, subnet = table_name(plan.bridge), plan.bridge, plan.subnet
    outward = "drop" if plan.internal else "accept"
    masquerade = "" if plan.internal else f'ip saddr {subnet} oifname != "{bridge}" masquerade'
    return f"""
add table ip {table}
delete table ip {table}
table ip {table} {{
    map any {{
        type inet_proto . inet_service : ipv4_addr . inet_service
    }}
    map bound {{
        type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
    }}
    chain guard {{
        comment "route_localnet lets loopback addresses through the bridge: only for what we translated ourselves"
        type filter hook prerouting priority raw; policy accept;
        iifname "{bridge}" ip daddr 127.0.0.0/8 drop
        iifname "{bridge}" ip saddr 127.0.0.0/8 drop
    }}
    chain published {{
        dnat ip to ip daddr . meta l4proto . th dport map @bound
        dnat ip to meta l4proto . th dport map @any
    }}
    chain prerouting {{
        type nat hook prerouting priority dstnat; policy accept;
        iifname != "lo" ip daddr 127.0.0.0/8 return
        {_resolver_rules(plan)}
        fib daddr type local jump published
    }}
    chain output {{
        type nat hook output priority -100; policy accept;
        fib daddr type local jump published
    }}
    {_resolver_chain(plan)}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        oifname "{bridge}" ip saddr 127.0.0.0/8 masquerade
        oifname "{bridge}" ip saddr {subnet} ct status dnat masquerade
        {masquerade}
    }}
    chain forward {{
        type filter hook forward priority filter; policy accept;
        iifname "{bridge}" oifname "{bridge}" accept
        oifname "{bridge}" ct state established,related accept
        oifname "{bridge}" ct status dnat accept
        oifname "{bridge}" drop
        iifname "{bridge}" ct state established,related accept
        {_engine_rule(plan)}
        iifname "{bridge}" {outward}
    }}
}}
""" + "".join(publishing(bridge, endpoint) for endpoint in endpoints)


def removal(bridge: str) -> str:
    """Remove the bridge's table, whether it is there or not."""
    return f"add table ip {table_name(bridge)}\ndelete table ip {table_name(bridge)}\n"


def publishing(bridge: str, endpoint: Endpoint, verb: str = "add") -> str:
    """The commands that ``add`` (or ``delete``) the published ports of an endpoint; empty without ports."""
    entries = _entries(endpoint)
    table = table_name(bridge)
    return "".join(f"{verb} element ip {table} {name} {{ {entry} }}\n" for name, entry in entries)


def is_stale(flow: Flow, endpoint: Endpoint) -> bool:
    """Whether a UDP flow goes to a port that ``endpoint`` has just published, and is answered by another."""
    return flow.answered_by != endpoint.address and any(
        port.protocol == "udp" and port.host_port == flow.port and port.host_ip in (ANY, flow.address)
        for port in endpoint.ports
    )


def _resolver_rules(plan: Plan) -> str:
    if not plan.resolver:
        return ""
    to_us = f'iifname "{plan.bridge}" ip daddr {plan.gateway}'
    return f"{to_us} meta l4proto {{ tcp, udp }} th dport 53 dnat to {plan.resolver}"


def _engine_rule(plan: Plan) -> str:
    if not plan.engines:
        return ""
    names = ", ".join(f'"{name}"' for name in plan.engines)
    return f'iifname "{plan.bridge}" oifname {{ {names} }} ct status and dnat == 0 drop'


def _resolver_chain(plan: Plan) -> str:
    """Questions look as if they came from loopback: a resolver may listen to nobody else, or answer from elsewhere."""
    if not plan.resolver:
        return ""
    return f"""chain input {{
        type nat hook input priority 100; policy accept;
        iifname "{plan.bridge}" ip daddr 127.0.0.0/8 snat to 127.0.0.1
    }}"""


def _entries(endpoint: Endpoint) -> list[tuple[str, str]]:
    """Map name and element, for each published port."""
    found = []
    for port in endpoint.ports:
        entry = f"{port.protocol} . {port.host_port} : {endpoint.address} . {port.container_port}"
        found.append(("any", entry) if port.host_ip == ANY else ("bound", f"{port.host_ip} . {entry}"))
    return found
