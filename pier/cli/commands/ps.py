"""``ps``: the list of containers."""

from __future__ import annotations

from pier.cli.call import Call
from pier.cli.command import Command, Failure, Flag
from pier.cli.config import load
from pier.cli.options.filters import grouped
from pier.cli.render import Row, Shape, show, table
from pier.cli.units import ago, go_time, shorten, size
from pier.cli.values import go_quote
from pier.client import containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

COLUMNS = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")
HEADERS = {
    "ID": "CONTAINER ID",
    "RunningFor": "CREATED",
    "CreatedAt": "CREATED AT",
    "LocalVolumes": "LOCAL VOLUMES",
}

EMPTY: Json = {"Id": "", "Image": "", "Command": "", "Created": 0, "Status": ""}
FORMAT_HELP = "Format with a Go template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'"


def shape(truncate: bool) -> Shape:
    """The columns of a container of the list."""
    return Shape(
        "*formatter.ContainerContext",
        {
            "ID": lambda each: each["Id"][:12] if truncate else each["Id"],
            "Names": lambda each: _names(each, truncate),
            "Image": lambda each: _image(each, truncate),
            "Command": lambda each: go_quote(shorten(each["Command"], 20) if truncate else each["Command"]),
            "CreatedAt": lambda each: go_time(each["Created"]),
            "RunningFor": lambda each: ago(each["Created"]),
            "Ports": lambda each: shown_ports(each.get("Ports") or []),
            "State": lambda each: each.get("State", ""),
            "Status": lambda each: each["Status"],
            "Size": _size,
            "Labels": lambda each: joined_labels(each.get("Labels")),
            "Label": lambda each, name: (each.get("Labels") or {}).get(name, ""),
            "Mounts": lambda each: _mounts(each, truncate),
            "LocalVolumes": lambda each: str(sum(m.get("Driver") == "local" for m in each.get("Mounts") or [])),
            "Networks": lambda each: ",".join(sorted((each.get("NetworkSettings") or {}).get("Networks") or {})),
            "Platform": lambda each: None,
        },
        HEADERS,
        frozenset(("Label",)),
    )


def _names(each: Json, truncate: bool) -> str:
    names = [name.removeprefix("/") for name in each.get("Names") or []]
    return ",".join(name for name in names if not (truncate and "/" in name))


def _image(each: Json, truncate: bool) -> str:
    image: str = each["Image"]
    if not image:
        return "<no image>"
    if truncate:
        bare = image.removeprefix("sha256:")
        short: str = each.get("ImageID", "").removeprefix("sha256:")[:12]
        if bare[:12] == short:
            return short
        name, at, _ = image.partition("@")
        if at and ":" in name.rsplit("/", 1)[-1]:
            return name
    return image


def _size(each: Json) -> str:
    text = size(each.get("SizeRw") or 0, 3)
    total = each.get("SizeRootFs") or 0
    return f"{text} (virtual {size(total, 3)})" if total > 0 else text


def joined_labels(labels: dict[str, str] | None) -> str:
    return ",".join(sorted(f"{name}={value}" for name, value in (labels or {}).items()))


def _mounts(each: Json, truncate: bool) -> str:
    names = [mount.get("Name") or mount.get("Source", "") for mount in each.get("Mounts") or []]
    return ",".join(shorten(name, 15) if truncate else name for name in names)


def shown_ports(ports: list[Json]) -> str:
    """Neighbouring ports as ranges, then those whose number outside differs."""

    def order(port: Json) -> tuple[int, str, int, str]:
        return port["PrivatePort"], port.get("IP", ""), port.get("PublicPort", 0), port["Type"]

    runs: dict[tuple[str, str], tuple[int, int]] = {}
    done: list[str] = []
    moved: list[str] = []
    for port in sorted(ports, key=order):
        inside, address = port["PrivatePort"], port.get("IP", "")
        if address and port.get("PublicPort", 0) != inside:
            moved.append(f"{_join_address(address, port.get('PublicPort', 0))}->{inside}/{port['Type']}")
            continue
        key = (address, port["Type"])
        first, last = runs.get(key, (inside, inside - 1))
        if inside != last + 1:
            done.append(_run(key, first, last))
            first = inside
        runs[key] = (first, inside)
    done += [_run(key, first, last) for key, (first, last) in runs.items()]
    return ", ".join(done + moved)


def _join_address(address: str, port: int | str) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _run(key: tuple[str, str], first: int, last: int) -> str:
    address, protocol = key
    numbers = str(first) if first == last else f"{first}-{last}"
    return f"{_join_address(address, numbers)}->{numbers}/{protocol}" if address else f"{numbers}/{protocol}"


def _check(form: str) -> None:
    """A format that cannot work is refused before the daemon is asked. Raises Failure."""
    from pier.cli.template.execute import Template
    from pier.cli.template.nodes import TemplateError

    try:
        template = Template(form)
    except TemplateError as error:
        raise Failure(f"failed to parse template: {error}") from None
    try:
        template.execute(Row(shape(True), EMPTY))
    except TemplateError as error:
        raise Failure(f"failed to execute template: {error}") from None


def ps(call: Call) -> int:
    form = call.text("format") or load(call.options).format("psFormat")
    custom = bool(form) and form not in ("table", "json", "raw")
    if custom:
        _check(form)
    with_size = call.flag("size") or (custom and (".Size" in form or "json ." in form))
    limit = 1 if call.flag("latest") and not call.given("last") else max(call.get("last"), 0)
    found = containers.listing(call.client, call.flag("all"), limit, with_size, grouped(call.items("filter")))
    default = "{{.ID}}" if call.flag("quiet") else table((*COLUMNS, "Size") if call.flag("size") else COLUMNS)
    show(shape(not call.flag("no-trunc")), found, form, default)
    return 0


PS = Command(
    ps,
    "",
    (
        Flag("all", "bool", "Show all containers, not only those that run", "a"),
        Flag("filter", "filter", "Show only those that match (name=web, status=exited, label=a)", "f"),
        Flag("format", "string", FORMAT_HELP),
        Flag("last", "int", "Show the last N that were created, in whatever state", "n", -1),
        Flag("latest", "bool", "Show the one that was created last, in whatever state", "l"),
        Flag("no-trunc", "bool", "Do not shorten anything"),
        Flag("quiet", "bool", "Print only IDs", "q"),
        Flag("size", "bool", "Show how much space each takes", "s"),
    ),
    maximum=0,
    examples=(
        ("pier ps -a --filter status=exited", "What has ended"),
        ("pier ps --format 'table {{.Names}}\\t{{.Ports}}'", "Columns of your choice"),
    ),
)
