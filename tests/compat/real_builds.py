"""The projects of ``test_real_builds``: how they are laid out, and what of their images is the same everywhere.

Packages change with every update of Debian, npm or PyPI. A picture has the configuration, the history and those
paths of each layer that the project itself brings or makes; content only where nobody else's version decides it.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from tests.compat.build_pictures import BUILDS
from tests.compat.docker_cli import Docker
from tests.compat.saved_images import Layer, saved

TIME: Final = 1_700_000_000
"""The time of every file of a context: what is copied keeps it."""
PACKAGES: Final = ("node", "python", "gcc", "nginx")
"""Targets of ``builds/apt``; the images that the projects begin from."""


@dataclass(frozen=True)
class Project:
    """``left_out`` and ``only_there`` are globs: paths that are not in the picture, paths whose content is not."""

    base: str
    left_out: tuple[str, ...] = ()
    only_there: tuple[str, ...] = ()
    classic: bool = False
    """Whether the Dockerfile is one that builders had before BuildKit."""


PROJECTS: Final[Mapping[str, Project]] = {
    "node": Project("node", ("app/node_modules/*", "root/.npm/*"), ("app/package-lock.json",), classic=True),
    "python": Project(
        "python",
        (
            "usr/local/lib/python3/dist-packages/[!i]*",
            "*.dist-info*",
            "*/__pycache__*",
            "*.pyi",
            "etc/*-",
            "etc/.*",
            "etc/sub*",
            "var/*",
        ),
        ("etc/*", "home/app/.*"),
    ),
    "c": Project("", (), ("greet",)),
    "nginx": Project("nginx", classic=True),
}
_APT: Final = Project(
    "debian",
    (
        *("usr*", "bin", "sbin", "lib*", "etc/[!a]*", "etc/a[!p]*", "var/[!cl]*", "var/log*"),
        *("var/cache/[!a]*", "var/lib/[!a]*", "var/lib/a[!p]*", "var/lib/apt/extended_states"),
    ),
)


def prepared(name: str, folder: Path) -> Path:
    """A copy of the project in ``folder``, with the modes and times that the pictures are taken with."""
    project = Path(shutil.copytree(BUILDS / name, folder / name, symlinks=True))
    for path in [*project.rglob("*"), project]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (TIME, TIME))
    return project


def without_syntax(project: Path) -> None:
    """For BuildKit where no registry is in reach, from which it would fetch a front end."""
    file = project / "Dockerfile"
    file.write_text(re.sub(r"^# syntax=.*\n", "", file.read_text()))


def picture_file(name: str) -> Path:
    return BUILDS / "real" / f"{name}.json"


def picture(cli: Docker, image: str, name: str) -> dict[str, Any]:
    """Of ``image``: what is left of its configuration, history and layers when the packages' versions are taken out.

    ``name``: of a project, or of one of the :data:`PACKAGES` with ``apt-`` before it.
    """
    project = PROJECTS.get(name, _APT)
    entries, layers = extent(cli, project.base)
    found = saved(cli, image, below=layers)
    return {
        "os": found.config["os"],
        "config": {key: value for key, value in found.config["config"].items() if value},
        "history": [shape(entry) for entry in found.config["history"][entries:]],
        "layers": [dict(_stable(layer, project)) for layer in found.layers],
    }


def extent(cli: Docker, base: str) -> tuple[int, int]:
    """How many entries the history of ``base`` has, and how many layers; nothing is ``scratch``."""
    if not base:
        return 0, 0
    layers: list[str] = json.loads(cli("image", "inspect", "-f", "{{json .RootFS.Layers}}", base).out)
    return len(cli("history", "-q", base).lines), len(layers)


def shape(entry: Mapping[str, Any]) -> str:
    """One line of a history, without its time."""
    made = "nothing" if entry.get("empty_layer") else "a layer"
    return f"{entry.get('created_by', '')} # {entry.get('comment', '')} # {made}"


def _stable(layer: Layer, project: Project) -> Iterator[tuple[str, str]]:
    for path, line in layer.items():
        plain = re.sub(r"/python3\.\d+", "/python3", path)
        if plain == "etc" or any(fnmatchcase(plain, glob) for glob in project.left_out):
            continue  # Docker's steps touch /etc, ours do not
        kind, mode, owner, time, *rest = line.split(" ", 4)
        known = kind in ("sym", "lnk") or not any(fnmatchcase(plain, glob) for glob in project.only_there)
        kept = ("kept" if time == str(TIME) else "new",) if kind == "reg" else ()
        yield plain, " ".join((kind, mode, owner, *kept, *(rest if known else ())))
