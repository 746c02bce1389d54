"""``history``."""

from __future__ import annotations

import time

from pier.cli.call import Call
from pier.cli.command import Command, Flag
from pier.cli.commands.images import short_id
from pier.cli.commands.ps import FORMAT_HELP
from pier.cli.options.platform import given_platform
from pier.cli.render import Shape, show, table
from pier.cli.units import ago, shorten, size
from pier.client import images

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def history(call: Call) -> int:
    truncate, human = not call.flag("no-trunc"), call.flag("human")
    shape = Shape(
        "*formatter.historyContext",
        {
            "ID": lambda layer: short_id(layer["Id"]) if truncate else layer["Id"],
            "CreatedAt": lambda layer: _moment(layer["Created"]),
            "CreatedSince": lambda layer: _since(layer["Created"], human),
            "CreatedBy": lambda layer: _command(layer["CreatedBy"], truncate),
            "Size": lambda layer: size(layer["Size"], 3) if human else str(layer["Size"]),
            "Comment": lambda layer: layer["Comment"],
        },
        {
            "ID": "IMAGE",
            "CreatedSince": "CREATED" if human else "CREATED AT",
            "CreatedAt": "CREATED AT",
            "CreatedBy": "CREATED BY",
        },
    )
    found = images.history(call.client, call.args[0], given_platform(call))
    default = "{{.ID}}" if call.flag("quiet") else table(("ID", "CreatedSince", "CreatedBy", "Size", "Comment"))
    show(shape, found, call.text("format"), default)
    return 0


def _moment(timestamp: int) -> str:
    zone = time.strftime("%z", time.localtime(timestamp))
    suffix = "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(timestamp)) + suffix


def _since(timestamp: int, human: bool) -> str:
    if not human:
        return _moment(timestamp)
    return ago(timestamp) if timestamp > 0 else "N/A"


def _command(text: Any, truncate: bool) -> str:
    line = str(text).replace("\t", " ")
    return shorten(line, 45) if truncate else line


HISTORY = Command(
    history,
    "IMAGE",
    (
        Flag("format", "string", FORMAT_HELP),
        Flag("human", "bool", "Print sizes and dates as people read them", "H", True),
        Flag("no-trunc", "bool", "Do not shorten anything"),
        Flag("platform", "string", "Show this platform of the image (os[/arch[/variant]])"),
        Flag("quiet", "bool", "Print only IDs", "q"),
    ),
    minimum=1,
    maximum=1,
    completes="image",
)
