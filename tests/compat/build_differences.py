"""What differs between two engines' images of one project: everything, but for what differs from run to run anyway."""

import json
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from tests.compat.docker_cli import Docker
from tests.compat.real_builds import shape
from tests.compat.saved_images import Layer, Saved

CHANGING: Final[Mapping[str, str]] = {
    "var/log/*": "lines with the time",
    "var/cache/ldconfig/aux-cache": "inodes and times of the libraries",
    "*/__pycache__/*.pyc": "the time of the source",
    "root/.npm/_cacache/index-v5/*": "the times of the downloads",
}
"""Files whose content is another in every run, on either engine; their type, mode and owner are compared."""
PASSING: Final[Mapping[str, str]] = {
    "root/.npm/_logs/*": "named after the time",
    "etc": "Docker's steps put files into /etc and take them out again, so that its time is new; ours do not touch it",
}
"""Paths that are not compared."""

Facts = dict[str, Any]


def facts(cli: Docker, image: str, found: Saved, entries: int, *, classic: bool) -> Facts:
    """All that is compared, flat. ``entries``: of the history are the base's."""
    config = {key: value for key, value in found.config["config"].items() if value}
    history = found.config["history"][entries:]
    if classic:  # its texts are its own, and it notes what only Windows cares for, and the image before the last step
        config = {key: value for key, value in config.items() if key not in ("ArgsEscaped", "Image")}
        made: list[str] = ["nothing" if entry.get("empty_layer") else "a layer" for entry in history]
    else:
        made = [shape(entry) for entry in history]
    named = {key: found.config.get(key) for key in ("architecture", "os", "variant", "author", "comment")}
    layers = {
        f"layer {number}: {path}": line for number, layer in enumerate(found.layers) for path, line in _compared(layer)
    }
    return {**_named("config", config), **_named("history", dict(enumerate(made))), **named, **layers} | (
        {} if classic else _shown(cli, image, entries)
    )


def differences(ours: Facts, theirs: Facts) -> Iterator[str]:
    for key in ours | theirs:
        if ours.get(key) != theirs.get(key):
            yield f"{key}: {ours.get(key)!r} here, {theirs.get(key)!r} there"


def _named(kind: str, values: Mapping[Any, Any]) -> Facts:
    return {f"{kind} {key}": value for key, value in values.items()}


def _compared(layer: Layer) -> Iterator[tuple[str, str]]:
    """Without the times of folders: BuildKit's depend on whether it has seen the context before."""
    for path, line in layer.items():
        if any(fnmatchcase(path, glob) for glob in PASSING):
            continue
        kind, mode, owner, _, *held = line.split(" ", 4)
        if any(fnmatchcase(path, glob) for glob in CHANGING):
            line = " ".join((kind, mode, owner))
        elif kind == "dir":
            line = " ".join((kind, mode, owner, *held))
        yield path, line


def _shown(cli: Docker, image: str, entries: int) -> Facts:
    """What the docker command says, in the API version that both speak; sizes of layers whose files are the same."""
    env = {"DOCKER_API_VERSION": "1.45"}
    inspected: dict[str, Any] = json.loads(cli("image", "inspect", image, env=env).out)[0]
    for name in ("Id", "Created", "Metadata", "GraphDriver", "RootFS", "RepoTags", "RepoDigests", "Size", "Parent"):
        inspected.pop(name)
    lines = cli("history", "--no-trunc", "--human=false", "--format", "{{json .}}", image, env=env).lines
    history = [json.loads(line) for line in lines[: len(lines) - entries]]
    told = {number: (step["CreatedBy"], step["Comment"], _size(step)) for number, step in enumerate(history)}
    return {**_named("inspect", inspected), **_named("docker history", told)}


def _size(step: Mapping[str, str]) -> str:
    """Caches and logs of installations are some bytes longer or shorter in every run."""
    return "some" if re.search(r"(apt-get|npm|pip) install", step["CreatedBy"]) else step["Size"]
