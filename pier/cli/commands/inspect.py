"""``inspect`` of everything: a JSON array, or a template for each object."""

from __future__ import annotations

import sys

from pier.cli.call import Call
from pier.cli.command import Command, Failure, Flag
from pier.cli.errors import sentence
from pier.client import containers, images, networks, volumes
from pier.client.failures import Missing
from pier.errors import InvalidArgument, PierError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Lookup = Callable[[str], Any]

TYPES = ("config", "container", "image", "network", "node", "plugin", "secret", "service", "task", "volume")
OPTIONAL: dict[str, Any] = {
    "Health": None,
    "Healthcheck": None,
    "Init": None,
    "StopTimeout": None,
    "StopSignal": "",
    "Shell": [],
    "OnBuild": [],
    "Tmpfs": {},
    "Sysctls": {},
    "StorageOpt": {},
    "Annotations": {},
    "Mounts": [],
    "Runtime": "",
    "MacAddress": "",
    "NetworkDisabled": False,
    "ArgsEscaped": False,
    "SizeRw": None,
    "SizeRootFs": None,
    "Status": {},
    "UsageData": None,
    "Peers": [],
    "Comment": "",
    "Author": "",
    "Variant": "",
    "OsVersion": "",
}


def _lookups(call: Call) -> dict[str, Lookup]:
    client = call.client
    size = call.given("size") and call.flag("size")
    return {
        "container": lambda name: containers.inspect(client, name, size),
        "image": lambda name: images.inspect(client, name),
        "network": lambda name: networks.inspect(client, name),
        "volume": lambda name: volumes.inspect(client, name),
    }


def inspect(call: Call) -> int:
    kind = call.text("type")
    if call.given("type") and kind not in TYPES:
        if not kind:
            raise Failure("type is empty: must be one of " + ", ".join(f'"{name}"' for name in TYPES))
        wanted = ", ".join(f'"{name}"' for name in TYPES)
        raise Failure(f'unknown type: "{kind}": must be one of {wanted}')
    lookups = _lookups(call)
    if kind:
        if kind not in lookups:
            raise Failure(f"Error: this daemon has no objects of type {kind}")
        return _show(call, lookups[kind])
    return _show(call, lambda name: _any(lookups, name))


def _any(lookups: dict[str, Lookup], name: str) -> Any:
    for lookup in lookups.values():
        try:
            return lookup(name)
        except (Missing, InvalidArgument):
            continue
    raise InvalidArgument(f"Error: No such object: {name}")


def _show(call: Call, lookup: Lookup) -> int:
    form = call.text("format")
    template = _template(form)
    found: list[Any] = []
    errors: list[str] = []
    for name in call.args:
        try:
            found.append(lookup(name))
        except PierError as error:
            errors.append(sentence(error))
    if template is None:
        sys.stdout.write(_array(found, indented=form != "json"))
    else:
        from pier.cli.template.nodes import TemplateError

        for each in found:
            try:
                sys.stdout.write(template.execute(each) + "\n")
            except TemplateError as error:
                sys.stdout.write("\n")
                errors.append(f"template parsing error: {error}")
        if not found:
            sys.stdout.write("\n")
    if errors:
        raise Failure("\n".join(errors))
    return 0


def _template(form: str) -> Any:
    if form in ("", "json"):
        return None
    from pier.cli.template.execute import Template
    from pier.cli.template.nodes import TemplateError

    try:
        return Template(form, OPTIONAL)
    except TemplateError as error:
        raise Failure(f"template parsing error: {error}", 64) from None


def _array(found: list[Any], indented: bool) -> str:
    if not found:
        return "[]\n"
    if not indented:
        from pier.client.jsontext import encode

        return encode(found) + "\n"
    import json

    return json.dumps(found, indent=4, ensure_ascii=False) + "\n"


def _of(kind: str) -> Callable[[Call], int]:
    def run(call: Call) -> int:
        if kind == "image" and call.given("platform"):
            from pier.cli.options.platform import platform_json

            platform = platform_json(call.text("platform"))
            return _show(call, lambda name: images.inspect(call.client, name, platform))
        return _show(call, _lookups(call)[kind])

    return run


FORMAT = Flag("format", "string", "Format with a Go template: 'json' or 'TEMPLATE'", "f")
SIZE = Flag("size", "bool", "Show how much space a container takes", "s")

INSPECT = Command(
    inspect,
    "NAME|ID [NAME|ID...]",
    (FORMAT, SIZE, Flag("type", "string", "Only look for objects of this type")),
    minimum=1,
    completes="containers",
    examples=(("pier inspect -f '{{.State.Status}}' web", "One field"),),
)
CONTAINER_INSPECT = Command(
    _of("container"), "CONTAINER [CONTAINER...]", (FORMAT, SIZE), minimum=1, completes="containers"
)
IMAGE_INSPECT = Command(
    _of("image"),
    "IMAGE [IMAGE...]",
    (FORMAT, Flag("platform", "string", "Inspect this platform of the image (os[/arch[/variant]])")),
    minimum=1,
    completes="images",
)
VOLUME_INSPECT = Command(_of("volume"), "VOLUME [VOLUME...]", (FORMAT,), minimum=1, completes="volumes")
NETWORK_INSPECT = Command(
    _of("network"),
    "NETWORK [NETWORK...]",
    (FORMAT, Flag("verbose", "bool", "Show what helps to find faults", "v")),
    minimum=1,
    completes="networks",
)
