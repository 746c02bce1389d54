"""``volume create ls rm``."""

from __future__ import annotations

from itertools import groupby

from pier.cli.call import Call, for_each, say
from pier.cli.command import Command, Flag
from pier.cli.commands.ps import FORMAT_HELP, joined_labels
from pier.cli.config import load
from pier.cli.options.environment import mapping
from pier.cli.options.filters import grouped
from pier.cli.render import Shape, show, table
from pier.cli.units import size
from pier.client import volumes
from pier.client.failures import Missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

SHAPE = Shape(
    "*formatter.volumeContext",
    {
        "Name": lambda each: each["Name"],
        "Driver": lambda each: each["Driver"],
        "Scope": lambda each: each["Scope"],
        "Mountpoint": lambda each: each["Mountpoint"],
        "Labels": lambda each: joined_labels(each.get("Labels")),
        "Label": lambda each, name: (each.get("Labels") or {}).get(name, ""),
        "Links": lambda each: str(each["UsageData"]["RefCount"]) if each.get("UsageData") else "N/A",
        "Size": lambda each: size(each["UsageData"]["Size"]) if each.get("UsageData") else "N/A",
        "Group": lambda each: "N/A",
        "Availability": lambda each: "N/A",
        "Status": lambda each: "N/A",
    },
    {"Name": "VOLUME NAME"},
    frozenset(("Label",)),
)


def create(call: Call) -> int:
    made = volumes.create(
        call.client,
        call.args[0] if call.args else "",
        call.text("driver"),
        mapping(call.items("opt")),
        mapping(call.items("label")),
    )
    say(made["Name"])
    return 0


def listing(call: Call) -> int:
    found = volumes.listing(call.client, grouped(call.items("filter"))).get("Volumes") or []
    form = call.text("format") or load(call.options).format("volumesFormat")
    default = "{{.Name}}" if call.flag("quiet") else table(("Driver", "Name"))
    show(SHAPE, sorted(found, key=lambda each: natural(each["Name"])), form, default)
    return 0


def natural(name: str) -> list[tuple[int, int, str]]:
    """A sorting key in which ``v2`` comes before ``v10``."""
    runs = ("".join(run) for _, run in groupby(name, str.isdecimal))
    return [(0, int(run), "") if run.isdecimal() else (1, 0, run) for run in runs]


def remove(call: Call) -> int:
    force = call.flag("force")

    def one(name: str) -> None:
        try:
            volumes.remove(call.client, name, force)
        except Missing:
            if not force:
                raise

    return for_each(call.args, one)


CREATE = Command(
    create,
    "[VOLUME]",
    (
        Flag("driver", "string", "Driver of the volume", "d", "local"),
        Flag("label", "label", "Set a label (NAME=value)"),
        Flag("opt", "list", "Option of the driver (type=tmpfs)", "o"),
    ),
    maximum=1,
    examples=(("pier volume create data", "Then: pier run -v data:/data ..."),),
)
LS = Command(
    listing,
    "",
    (
        Flag("cluster", "bool", "Show only cluster volumes", hidden=True),
        Flag("filter", "filter", "Show only those that match (dangling=true, label=a, name=b)", "f"),
        Flag("format", "string", FORMAT_HELP),
        Flag("quiet", "bool", "Print only names", "q"),
    ),
    maximum=0,
)
RM = Command(
    remove,
    "VOLUME [VOLUME...]",
    (Flag("force", "bool", "No error when it does not exist", "f"),),
    minimum=1,
    completes="volumes",
    details="A volume that a container uses cannot be removed.",
)
