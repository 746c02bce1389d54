"""``network create ls rm connect disconnect``."""

from __future__ import annotations

from pier.cli.call import Call, for_each, say, warn
from pier.cli.command import Command, Failure, Flag
from pier.cli.commands.ps import FORMAT_HELP, joined_labels
from pier.cli.commands.volume import natural
from pier.cli.config import load
from pier.cli.options.environment import mapping
from pier.cli.options.filters import grouped
from pier.cli.options.subnets import ipam_config
from pier.cli.render import Shape, show, table
from pier.cli.units import go_time, parse_rfc3339
from pier.client import networks
from pier.client.failures import Missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]


def _created(text: str) -> str:
    """As Go prints the time, with its fraction."""
    shown = go_time(int(parse_rfc3339(text)))
    fraction = text.partition(".")[2].rstrip("Z").partition("+")[0].rstrip("0")
    date, clock, zone = shown.split(" ", 2)
    return f"{date} {clock}{'.' + fraction if fraction else ''} {zone}"


def shape(truncate: bool) -> Shape:
    return Shape(
        "*formatter.networkContext",
        {
            "ID": lambda each: each["Id"][:12] if truncate else each["Id"],
            "Name": lambda each: each["Name"],
            "Driver": lambda each: each["Driver"],
            "Scope": lambda each: each["Scope"],
            "IPv4": lambda each: str(bool(each.get("EnableIPv4"))).lower(),
            "IPv6": lambda each: str(bool(each.get("EnableIPv6"))).lower(),
            "Internal": lambda each: str(bool(each.get("Internal"))).lower(),
            "Labels": lambda each: joined_labels(each.get("Labels")),
            "Label": lambda each, name: (each.get("Labels") or {}).get(name, ""),
            "CreatedAt": lambda each: _created(each["Created"]),
        },
        {"ID": "NETWORK ID", "CreatedAt": "CREATED AT"},
        frozenset(("Label",)),
    )


def listing(call: Call) -> int:
    found = networks.listing(call.client, grouped(call.items("filter")))
    form = call.text("format") or load(call.options).format("networksFormat")
    default = "{{.ID}}" if call.flag("quiet") else table(("ID", "Name", "Driver", "Scope"))
    show(shape(not call.flag("no-trunc")), sorted(found, key=lambda each: natural(each["Name"])), form, default)
    return 0


def create(call: Call) -> int:
    body: Json = {
        "Name": call.args[0],
        "Driver": call.text("driver"),
        "Scope": call.text("scope"),
        "IPAM": {
            "Driver": call.text("ipam-driver"),
            "Options": mapping(call.items("ipam-opt")),
            "Config": ipam_config(
                call.items("subnet"), call.items("ip-range"), call.items("gateway"), mapping(call.items("aux-address"))
            ),
        },
        "Internal": call.flag("internal"),
        "Attachable": call.flag("attachable"),
        "Ingress": call.flag("ingress"),
        "ConfigOnly": call.flag("config-only"),
        "Options": mapping(call.items("opt")),
        "Labels": mapping(call.items("label")),
    }
    for flag, field in (("ipv4", "EnableIPv4"), ("ipv6", "EnableIPv6")):
        if call.given(flag):
            body[field] = call.flag(flag)
    if call.given("config-from"):
        body["ConfigFrom"] = {"Network": call.text("config-from")}
    made = networks.create(call.client, body)
    if made.get("Warning"):
        warn(f"WARNING: {made['Warning']}")
    say(made["Id"])
    return 0


def remove(call: Call) -> int:
    force = call.flag("force")

    def one(name: str) -> None:
        try:
            networks.remove(call.client, name)
        except Missing:
            if not force:
                raise

    status = for_each(call.args, one)
    if status:
        raise Failure("exit status 1")
    return 0


def connect(call: Call) -> int:
    network, container = call.args
    addresses: Json = {
        field: call.get(flag)
        for flag, field in (("ip", "IPv4Address"), ("ip6", "IPv6Address"), ("link-local-ip", "LinkLocalIPs"))
        if call.given(flag)
    }
    endpoint: Json = {"IPAMConfig": addresses} if addresses else {}
    for flag, field in (("alias", "Aliases"), ("link", "Links"), ("gw-priority", "GwPriority")):
        if call.given(flag):
            endpoint[field] = call.get(flag)
    if call.given("driver-opt"):
        endpoint["DriverOpts"] = mapping(call.items("driver-opt"))
    networks.connect(call.client, network, container, endpoint)
    return 0


def disconnect(call: Call) -> int:
    networks.disconnect(call.client, call.args[0], call.args[1], call.flag("force"))
    return 0


LS = Command(
    listing,
    "",
    (
        Flag("filter", "filter", "Show only those that match (driver=bridge, name=a)", "f"),
        Flag("format", "string", FORMAT_HELP),
        Flag("no-trunc", "bool", "Do not shorten anything"),
        Flag("quiet", "bool", "Print only IDs", "q"),
    ),
    maximum=0,
)
CREATE = Command(
    create,
    "NETWORK",
    (
        Flag("attachable", "bool", "Containers may be connected by hand"),
        Flag("aux-address", "list", "Address that something else uses (NAME=ADDRESS)"),
        Flag("config-from", "string", "Take the settings of this network"),
        Flag("config-only", "bool", "Only keep settings for other networks"),
        Flag("driver", "string", "Driver of the network", "d", "bridge"),
        Flag("gateway", "strings", "Gateway of a subnet"),
        Flag("ingress", "bool", "Make the cluster's ingress network"),
        Flag("internal", "bool", "No way out of the network"),
        Flag("ip-range", "strings", "Take addresses from this part of a subnet"),
        Flag("ipam-driver", "string", "Driver that gives out addresses", default="default"),
        Flag("ipam-opt", "list", "Option of that driver"),
        Flag("ipv4", "bool", "Give out IPv4 addresses", default=True),
        Flag("ipv6", "bool", "Give out IPv6 addresses"),
        Flag("label", "label", "Set a label (NAME=value)"),
        Flag("opt", "list", "Option of the driver", "o"),
        Flag("scope", "string", "Where the network reaches"),
        Flag("subnet", "strings", "Subnet of the network (10.1.0.0/24)"),
    ),
    minimum=1,
    maximum=1,
)
RM = Command(
    remove,
    "NETWORK [NETWORK...]",
    (Flag("force", "bool", "No error when it does not exist", "f"),),
    minimum=1,
    completes="networks",
)
CONNECT = Command(
    connect,
    "NETWORK CONTAINER",
    (
        Flag("alias", "strings", "Name of the container on the network"),
        Flag("driver-opt", "strings", "Option of the driver"),
        Flag("gw-priority", "int", "The network with the highest gives the default route"),
        Flag("ip", "string", "IPv4 address (172.30.100.104)"),
        Flag("ip6", "string", "IPv6 address (2001:db8::33)"),
        Flag("link", "link", "Link to another container"),
        Flag("link-local-ip", "strings", "Link-local address"),
    ),
    minimum=2,
    maximum=2,
    completes="networks",
)
DISCONNECT = Command(
    disconnect,
    "NETWORK CONTAINER",
    (Flag("force", "bool", "Also when the container does not agree", "f"),),
    minimum=2,
    maximum=2,
    completes="networks",
)
