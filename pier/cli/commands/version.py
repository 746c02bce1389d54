"""``version``."""

from __future__ import annotations

import os
import sys

from pier.cli.call import Call, say, warn
from pier.cli.command import Command, Failure, Flag
from pier.cli.errors import sentence
from pier.cli.table import align
from pier.client import system
from pier.errors import PierError
from pier.version import API_VERSION, VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


def _client(spoken: str) -> Json:
    host = os.uname()
    return {
        "Platform": {"Name": "Pier"},
        "Version": VERSION,
        "ApiVersion": spoken,
        "APIVersion": spoken,
        "DefaultAPIVersion": API_VERSION,
        "PythonVersion": sys.version.split()[0],
        "Os": host.sysname.lower(),
        "Arch": MACHINES.get(host.machine, host.machine),
        "Context": "default",
    }


def version(call: Call) -> int:
    form = call.text("format")
    server: Json | None = None
    problem: PierError | None = None
    try:
        server = system.version(call.client)
    except PierError as error:
        problem = error
    client = _client(call.client.version)
    if form:
        from pier.cli.commands.info import formatted

        if form == "json":
            del client["APIVersion"]
        say(formatted(form, {"Client": client, "Server": server and {**server, "APIVersion": server["ApiVersion"]}}))
    else:
        sys.stdout.write(_client_text(client))
        if server is not None:
            sys.stdout.write("\n" + _server_text(server))
    if problem is not None:
        if call.options.get("debug"):
            raise problem
        warn(sentence(problem))
        raise Failure("")
    return 0


def _lines(rows: list[tuple[str, str]], indent: str) -> str:
    return align("".join(f"{indent}{name}:\t{value}\n" for name, value in rows), 20, 1)


def _client_text(client: Json) -> str:
    spoken = client["ApiVersion"]
    if spoken != API_VERSION:
        spoken += f" (downgraded from {API_VERSION})"
    rows = [
        ("Version", client["Version"]),
        ("API version", spoken),
        ("Python version", client["PythonVersion"]),
        ("OS/Arch", f"{client['Os']}/{client['Arch']}"),
        ("Context", client["Context"]),
    ]
    return "Client: Pier\n" + _lines(rows, " ")


def _server_text(server: Json) -> str:
    name = (server.get("Platform") or {}).get("Name") or ""
    out = [f"Server: {name}".rstrip() + "\n"]
    for part in server.get("Components") or [_engine_of(server)]:
        details = part.get("Details") or {}
        out.append(f" {part['Name']}:\n")
        rows = [("Version", part["Version"])]
        if part["Name"] == "Engine":
            minimum = details.get("MinAPIVersion", "")
            rows += [
                ("API version", f"{details.get('ApiVersion', '')} (minimum version {minimum})"),
                ("Go version", details.get("GoVersion", "")),
                ("Git commit", details.get("GitCommit", "")),
                ("Built", details.get("BuildTime", "")),
                ("OS/Arch", f"{details.get('Os', '')}/{details.get('Arch', '')}"),
                ("Experimental", details.get("Experimental", "false")),
            ]
            rows = [row for row in rows if row[1]]
        else:
            rows += sorted(details.items())
        out.append(_lines(rows, "  "))
    return "".join(out)


def _engine_of(server: Json) -> Json:
    """Daemons before API 1.35 have no components."""
    return {"Name": "Engine", "Version": server["Version"], "Details": server}


VERSION_FLAGS = (Flag("format", "string", "Format with a Go template: 'json' or 'TEMPLATE'", "f"),)
VERSION_COMMAND = Command(version, "", VERSION_FLAGS, maximum=0)
