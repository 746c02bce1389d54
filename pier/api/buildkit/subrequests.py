"""What clients ask of a Dockerfile without building it: its targets, its parameters, its faults (pure).

An answer is JSON, and the same as text for clients that do not know its form.
"""

import base64
import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from pier.build.dockerfile.ast import Arg, Dockerfile, Location, Pair, Run, Stage, Warning
from pier.errors import InvalidArgument, Unsupported

DESCRIBE: Final = "frontend.subrequests.describe"
OUTLINE: Final = "frontend.outline"
TARGETS: Final = "frontend.targets"
LINT: Final = "frontend.lint"
_VERSION: Final = "1.0.0"
_KNOWN: Final = {
    OUTLINE: "List all parameters current build target supports",
    TARGETS: "List all targets current build supports",
    LINT: "Lint a Dockerfile",
    DESCRIBE: "List available subrequest types",
}

Answer = dict[str, bytes]
"""``result.json``, ``result.txt``, ``version``."""


def check_known(request: str) -> None:
    """Raises Unsupported in BuildKit's words."""
    if request not in _KNOWN:
        raise Unsupported(f"unsupported request {request}")


def describe() -> Answer:
    named = [{"name": "result.json", "description": ""}, {"name": "result.txt", "description": ""}]
    options = [{"name": "target", "description": "Target build stage"}]
    told = [
        {
            "name": name,
            "version": _VERSION,
            "type": "rpc",
            "description": text,
            "opts": options if name == OUTLINE else [],
            "inputs": None,
            "metadata": named,
            "refs": None,
        }
        for name, text in _KNOWN.items()
    ]
    rows = [(name.removeprefix("frontend."), _VERSION, text) for name, text in _KNOWN.items()]
    return _answer(told, _table(("NAME", "VERSION", "DESCRIPTION"), rows))


def targets(dockerfile: Dockerfile) -> Answer:
    told: list[dict[str, Any]] = [
        {
            **({"name": stage.start.name} if stage.start.name else {}),
            **({"default": True} if stage is dockerfile.stages[-1] else {}),
            **_description(dockerfile, stage.start.location, stage.start.name),
            "base": stage.start.image,
            **({"platform": stage.start.platform} if stage.start.platform else {}),
            "location": _location(stage.start.location),
        }
        for stage in dockerfile.stages
    ]
    rows = [(each.get("name", "") + " (default)" * ("default" in each), each.get("description", "")) for each in told]
    return _answer({"targets": told, "sources": _sources(dockerfile)}, _table(("TARGET", "DESCRIPTION"), rows))


def outline(dockerfile: Dockerfile, target: str) -> Answer:
    """The parameters of a stage and of those below it. Raises InvalidArgument: there is no such stage."""
    stages = _chain(dockerfile, target)
    used = [arg for arg in dockerfile.args if any(_uses(stage.start.image, arg.pairs) for stage in stages)]
    given = [each for stage in stages for each in stage.instructions if isinstance(each, Arg)]
    arguments = {pair.name: _argument(dockerfile, arg, pair) for arg in (*used, *given) for pair in arg.pairs}
    mounts = [
        (each.location, _mount(text))
        for stage in stages
        for each in stage.instructions
        if isinstance(each, Run)
        for text in each.mounts
    ]
    secrets, agents = _named(mounts, "secret"), _named(mounts, "ssh")
    told = {
        "name": stages[-1].start.name,
        "args": list(arguments.values()),
        "secrets": secrets,
        "ssh": agents,
        "sources": _sources(dockerfile),
    }
    rows = [(each["name"], each.get("value", ""), each.get("description", "")) for each in arguments.values()]
    text = f"TARGET: {stages[-1].start.name}\n\n" + _table(("BUILD ARG", "VALUE", "DESCRIPTION"), rows)
    return _answer({key: value for key, value in told.items() if value}, text)


def lint(dockerfile: Dockerfile, warnings: Sequence[Warning]) -> Answer:
    files = list(dockerfile.sources)
    told = [
        {
            "ruleName": each.rule,
            "description": each.description,
            "url": each.url,
            "detail": each.message,
            "location": {"sourceIndex": files.index(each.location.file), **_location(each.location)},
        }
        for each in warnings
    ]
    sources = [
        {"filename": name, "language": "Dockerfile", "data": _base64(text)} for name, text in dockerfile.sources.items()
    ]
    text = "".join(
        f"\nWARNING: {each.rule} - {each.url}\n{each.message}\n{each.location.file}:{each.location.first}\n"
        for each in warnings
    )
    answer = _answer({"warnings": told, "sources": sources}, text)
    return {**answer, "result.statuscode": b"1" if warnings else b"0"}


def _answer(told: Any, text: str) -> Answer:
    encoded = msgspec.json.format(msgspec.json.encode(told), indent=2)
    return {"result.json": encoded, "result.txt": text.encode(), "version": _VERSION.encode()}


def _chain(dockerfile: Dockerfile, target: str) -> list[Stage]:
    """The stages that ``target`` (empty: the last) is made from, the first first."""
    names = {stage.start.name.lower(): stage for stage in dockerfile.stages if stage.start.name}
    stage = names.get(target.lower()) if target else dockerfile.stages[-1]
    if stage is None and target.isdecimal() and int(target) < len(dockerfile.stages):
        stage = dockerfile.stages[int(target)]
    if stage is None:
        raise InvalidArgument(f'target stage "{target}" could not be found')
    chain = [stage]
    while (below := names.get(chain[0].start.image.lower())) is not None and below not in chain:
        chain.insert(0, below)
    return chain


def _uses(text: str, pairs: Iterable[Pair]) -> bool:
    return any(re.search(rf"\$\{{?{re.escape(pair.name)}\b", text) for pair in pairs)


def _argument(dockerfile: Dockerfile, arg: Arg, pair: Pair) -> dict[str, Any]:
    return {
        "name": pair.name,
        **_description(dockerfile, arg.location, pair.name),
        **({"value": pair.value.strip("\"'")} if pair.value else {}),
        "location": _location(arg.location),
    }


def _mount(text: str) -> Mapping[str, str]:
    """A key without a value is true."""
    fields = next(csv.reader([text]), [])
    return {key: value or "true" for key, _, value in (field.partition("=") for field in fields)}


def _named(mounts: Iterable[tuple[Location, Mapping[str, str]]], kind: str) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for location, mount in mounts:
        if mount.get("type") == kind:
            name = mount.get("id") or mount.get("target", "").rpartition("/")[2] or "default"
            required = {"required": True} if mount.get("required", "false").lower() == "true" else {}
            found.setdefault(name, {"name": name, **required, "location": _location(location)})
    return list(found.values())


def _description(dockerfile: Dockerfile, location: Location, name: str) -> dict[str, str]:
    """The comment above, where it begins with the name of what it describes."""
    lines = dockerfile.sources.get(location.file, "").split("\n")
    above = lines[location.first - 2].strip() if location.first > 1 else ""
    word, _, rest = above.removeprefix("#").strip().partition(" ")
    return {"description": rest.strip()} if above.startswith("#") and name and word == name and rest else {}


def _location(location: Location) -> dict[str, Any]:
    return {"ranges": [{"start": {"line": location.first}, "end": {"line": location.last}}]}


def _sources(dockerfile: Dockerfile) -> list[str]:
    return [_base64(text) for text in dockerfile.sources.values()]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "".join(
        "   ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)) + "\n" for line in lines
    )
