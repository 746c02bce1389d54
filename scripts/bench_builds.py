"""The builds that ``scripts/bench`` times: a small project, a large one, and stages that need not wait.

A cold build has a context that the engine has never seen and steps that it has never run; nothing of the preparation
is timed.
"""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

SMALL = (2_000, 64 << 20)
LARGE = (20_000, 300 << 20)
_FOLDERS = 100
_DOCKERFILE = """FROM {image}
RUN echo {unique} > /unique
WORKDIR /app
COPY list .
RUN sort list > sorted
COPY . .
RUN find . -type f | wc -l > count
RUN test $(cat count) -gt 10
CMD ["cat", "/app/count"]
"""
_STAGES = """FROM {image} AS one
RUN echo {unique} > /one && sleep 3
FROM {image} AS two
RUN echo {unique} > /two && sleep 3
FROM {image}
COPY --from=one /one /
COPY --from=two /two /
"""


class Side(Protocol):
    @property
    def title(self) -> str: ...
    def __call__(self, *args: str) -> bytes: ...
    def try_(self, *args: str) -> None: ...


class Projects:
    """Projects below ``folder``: one a side and size, made anew for each cold build."""

    def __init__(self, folder: Path, image: str) -> None:
        self._folder = folder
        self._image = image
        self._made = 0
        self._current: dict[tuple[str, int], Path] = {}

    def cold(self, files: int, size: int) -> Callable[[Side], float]:
        return lambda side: self._build(side, self._fresh(side, files, size))

    def unchanged(self, files: int, size: int) -> Callable[[Side], float]:
        return lambda side: self._build(side, self._built(side, files, size))

    def edited(self, files: int, size: int) -> Callable[[Side], float]:
        def measure(side: Side) -> float:
            project = self._built(side, files, size)
            (project / "d1" / "f1").write_bytes(os.urandom(1000))
            return self._build(side, project)

        return measure

    def stages(self, side: Side) -> float:
        project = self._folder / f"stages{self._next()}"
        project.mkdir(parents=True)
        (project / "Dockerfile").write_text(_STAGES.format(image=self._image, unique=os.urandom(8).hex()))
        return self._build(side, project)

    def _fresh(self, side: Side, files: int, size: int) -> Path:
        key = (side.title, files)
        if old := self._current.pop(key, None):
            shutil.rmtree(old)
        project = self._folder / f"project{self._next()}"
        write_project(project, files, size)
        (project / "Dockerfile").write_text(_DOCKERFILE.format(image=self._image, unique=os.urandom(8).hex()))
        os.sync()
        self._current[key] = project
        return project

    def _built(self, side: Side, files: int, size: int) -> Path:
        if (side.title, files) not in self._current:
            self._build(side, self._fresh(side, files, size))
        return self._current[side.title, files]

    def _build(self, side: Side, project: Path) -> float:
        began = time.perf_counter()
        side("build", "-q", "-t", "bench-built", str(project))
        return time.perf_counter() - began

    def _next(self) -> int:
        self._made += 1
        return self._made


def write_project(project: Path, files: int, size: int) -> None:
    """``files`` files of random bytes, ``size`` in all, in a hundred folders."""
    for number in range(_FOLDERS):
        (project / f"d{number}").mkdir(parents=True)
    for number in range(files):
        (project / f"d{number % _FOLDERS}" / f"f{number}").write_bytes(os.urandom(size // files))
    (project / "list").write_text("\n".join(str(number * 7919 % 1000) for number in range(1000)))


def rows(folder: Path, image: str) -> dict[str, tuple[str, Callable[[Side], float]]]:
    """Rows by name: what they measure, and how."""
    projects = Projects(folder, image)
    return {
        "build": ("`build`, 8 steps, 2,000 files, 64 MB: cold", projects.cold(*SMALL)),
        "rebuild": ("… nothing changed", projects.unchanged(*SMALL)),
        "edit": ("… one file changed", projects.edited(*SMALL)),
        "large": ("`build`, 20,000 files, 300 MB: cold", projects.cold(*LARGE)),
        "relarge": ("… nothing changed", projects.unchanged(*LARGE)),
        "stages": ("two independent stages of 3 s each", projects.stages),
    }


NAMES: Sequence[str] = ("build", "rebuild", "edit", "large", "relarge", "stages")
SLOW = frozenset({"build", "large", "stages"})
