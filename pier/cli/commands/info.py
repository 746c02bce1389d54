"""``info``: the daemon at a glance."""

from __future__ import annotations

import sys

from pier.cli.call import Call, say, warn
from pier.cli.command import Command, Failure, Flag
from pier.cli.errors import sentence
from pier.cli.units import binary_size
from pier.client import system
from pier.client.jsontext import encode
from pier.errors import PierError
from pier.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]


def formatted(form: str, data: Json) -> str:
    """``data`` as JSON or through a template. Raises Failure with status 64 for a bad template."""
    if form == "json":
        return encode(data)
    from pier.cli.template.execute import Template
    from pier.cli.template.nodes import TemplateError

    try:
        template = Template(form)
    except TemplateError as error:
        raise Failure(f"template parsing error: {error}", 64) from None
    try:
        return template.execute(data)
    except TemplateError as error:
        raise Failure(f"template: {error}".replace("template: template:", "template:")) from None


def info(call: Call) -> int:
    form = call.text("format")
    problem: PierError | None = None
    found: Json = {}
    try:
        found = system.info(call.client)
    except PierError as error:
        problem = error
    if form:
        if problem is not None:
            warn(sentence(problem))
        say(formatted(form, {**found, "ClientInfo": {"Version": VERSION, "Context": "default", "Debug": False}}))
        return 0 if problem is None else 1
    debug = "true" if call.options.get("debug") else "false"
    sys.stdout.write(f"Client: Pier\n Version:    {VERSION}\n Context:    default\n Debug Mode: {debug}\n\nServer:\n")
    if problem is not None:
        warn(f"{sentence(problem)}\nerrors pretty printing info")
        return 1
    sys.stdout.write("".join(f" {line}\n" for line in lines(found)) + "\n")
    for warning in found.get("Warnings") or []:
        warn(str(warning))
    return 0


def lines(found: Json) -> list[str]:
    """What ``info`` prints of the daemon, a line each, without the outer indentation."""
    out = [
        f"Containers: {found.get('Containers', 0)}",
        f" Running: {found.get('ContainersRunning', 0)}",
        f" Paused: {found.get('ContainersPaused', 0)}",
        f" Stopped: {found.get('ContainersStopped', 0)}",
        f"Images: {found.get('Images', 0)}",
        *_optional(found, (("Server Version", "ServerVersion"), ("Storage Driver", "Driver"))),
        *(f" {name}: {value}" for name, value in found.get("DriverStatus") or []),
        *_optional(
            found,
            (
                ("Logging Driver", "LoggingDriver"),
                ("Cgroup Driver", "CgroupDriver"),
                ("Cgroup Version", "CgroupVersion"),
            ),
        ),
    ]
    plugins = found.get("Plugins") or {}
    out.append("Plugins:")
    for kind in ("Volume", "Network", "Authorization", "Log"):
        if plugins.get(kind):
            out.append(f" {kind}: {' '.join(plugins[kind])}")
    out += [*_swarm(found), *_runtimes(found), *_security(found), *_host(found)]
    return [*out, *_registries(found), f"Live Restore Enabled: {_yes(found.get('LiveRestoreEnabled'))}"]


def _yes(value: Any) -> str:
    return "true" if value else "false"


def _optional(found: Json, rows: tuple[tuple[str, str], ...]) -> list[str]:
    return [f"{name}: {found[key]}" for name, key in rows if found.get(key) not in (None, "")]


def _swarm(found: Json) -> list[str]:
    state = (found.get("Swarm") or {}).get("LocalNodeState")
    return [f"Swarm: {state}"] if state else []


def _runtimes(found: Json) -> list[str]:
    out: list[str] = []
    if found.get("Runtimes"):
        out.append("Runtimes: " + " ".join(sorted(found["Runtimes"])))
    out += _optional(found, (("Default Runtime", "DefaultRuntime"), ("Init Binary", "InitBinary")))
    for name, key in (("containerd", "ContainerdCommit"), ("runc", "RuncCommit"), ("init", "InitCommit")):
        if found.get(key):
            out.append(f"{name} version: {found[key].get('ID', '')}")
    return out


def _security(found: Json) -> list[str]:
    """``name=seccomp,profile=builtin`` is shown as a name with its settings below."""
    out: list[str] = []
    for option in found.get("SecurityOptions") or []:
        pairs = [part.partition("=")[::2] for part in option.split(",")]
        out += [f" {value}" if key == "name" else f"  {key.title()}: {value}" for key, value in pairs]
    return ["Security Options:", *out] if out else []


def _host(found: Json) -> list[str]:
    rows = (
        ("Kernel Version", "KernelVersion"),
        ("Operating System", "OperatingSystem"),
        ("OSType", "OSType"),
        ("Architecture", "Architecture"),
        ("CPUs", "NCPU"),
    )
    out = _optional(found, rows)
    out.append(f"Total Memory: {binary_size(found.get('MemTotal') or 0)}")
    out += _optional(found, (("Name", "Name"), ("ID", "ID"), ("Docker Root Dir", "DockerRootDir")))
    out.append(f"Debug Mode: {_yes(found.get('Debug'))}")
    for name, key in (("HTTP Proxy", "HttpProxy"), ("HTTPS Proxy", "HttpsProxy"), ("No Proxy", "NoProxy")):
        if found.get(key):
            out.append(f"{name}: {found[key]}")
    if found.get("Labels"):
        out += ["Labels:", *(f" {label}" for label in found["Labels"])]
    out.append(f"Experimental: {_yes(found.get('ExperimentalBuild'))}")
    return out


def _registries(found: Json) -> list[str]:
    config = found.get("RegistryConfig") or {}
    insecure = [name for name, index in (config.get("IndexConfigs") or {}).items() if not index.get("Secure")]
    insecure += config.get("InsecureRegistryCIDRs") or []
    out = ["Insecure Registries:", *(f" {each}" for each in insecure)] if insecure else []
    if config.get("Mirrors"):
        out += ["Registry Mirrors:", *(f" {each}" for each in config["Mirrors"])]
    return out


INFO = Command(info, "", (Flag("format", "string", "Format with a Go template: 'json' or 'TEMPLATE'", "f"),), maximum=0)
