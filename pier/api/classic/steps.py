"""The numbered steps of the classic stream (pure): the instructions of a Dockerfile, and which vertex does which."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from pier.build.dockerfile import ast
from pier.errors import InvalidArgument

_NAME: Final = re.compile(r"\[(?:[^\]]* )?(\d+)/(\d+)\] ")
_WORKING: Final = (ast.Run, ast.Copy, ast.Add, ast.Workdir)


class Place(msgspec.Struct, frozen=True):
    """Where a vertex stands: the ``number``-th, from 1, of ``total`` steps that stage ``stage`` makes."""

    stage: int
    number: int
    total: int


class Line(msgspec.Struct, frozen=True):
    """An instruction. ``vertex`` does it, then come its image's ``triggers``; both may be empty."""

    text: str
    stage: int
    vertex: str = ""
    triggers: tuple[str, ...] = ()

    @property
    def keyword(self) -> str:
        return self.text.split(maxsplit=1)[0].upper()


def find_target(dockerfile: ast.Dockerfile, target: str) -> int:
    """The index of the stage. Raises InvalidArgument."""
    if not target:
        return len(dockerfile.stages) - 1
    for index, stage in enumerate(dockerfile.stages):
        if stage.start.name == target.lower():
            return index
    if target.isdecimal() and int(target) < len(dockerfile.stages):
        return int(target)
    raise InvalidArgument(f'target stage "{target}" could not be found')


def lines_of(
    dockerfile: ast.Dockerfile, target: int, labels: Mapping[str, str], announced: Sequence[tuple[str, str]]
) -> list[Line]:
    """The lines in the order of the file: of the stages that have vertices, and of those that the target begins with.

    ``announced`` are the IDs and names of the vertices.
    """
    places = [(place_of(name, dockerfile, target), vertex, name) for vertex, name in announced]
    needed = _chain(dockerfile, target) | {place.stage for place, _, _ in places if place}
    lines: list[Line] = []
    for index, stage in enumerate(dockerfile.stages[: target + 1]):
        if index in needed:
            own = {place.number: (vertex, name) for place, vertex, name in places if place and place.stage == index}
            total = max((place.total for place, _, _ in places if place and place.stage == index), default=0)
            lines += _stage_lines(index, stage, own, total)
    return [*lines, *(Line(f"LABEL {key}={value}", target) for key, value in sorted(labels.items()))]


def _stage_lines(index: int, stage: ast.Stage, own: Mapping[int, tuple[str, str]], total: int) -> Iterable[Line]:
    working = sum(isinstance(each, _WORKING) for each in stage.instructions)
    has_image = 1 in own and own[1][1].partition("] ")[2].startswith("FROM ")
    triggers = max(total - has_image - working, 0)
    number = int(has_image)
    vertices = {place: vertex for place, (vertex, _) in own.items()}
    fired = tuple(vertices[place] for place in range(number + 1, number + 1 + triggers) if place in vertices)
    yield Line(stage.start.text, index, vertex=vertices.get(1, "") if has_image else "", triggers=fired)
    number += triggers
    for instruction in stage.instructions:
        works = isinstance(instruction, _WORKING)
        number += works
        yield Line(instruction.text, index, vertex=vertices.get(number, "") if works else "")


def place_of(name: str, dockerfile: ast.Dockerfile, target: int) -> Place | None:
    """What ``[stage 2/5] RUN make`` says; None for a vertex that is no step. A stage without a name is the target."""
    match = _NAME.match(name)
    if not match or name.startswith("[internal]"):
        return None
    words = name[1 : name.index("]")].split()[:-1]
    stage = _stage_named(words[-1], dockerfile) if words else None
    return Place(target if stage is None else stage, int(match[1]), int(match[2]))


def _stage_named(name: str, dockerfile: ast.Dockerfile) -> int | None:
    for index, stage in enumerate(dockerfile.stages):
        if name in (stage.start.name, f"stage-{index}"):
            return index
    return None


def _chain(dockerfile: ast.Dockerfile, target: int) -> set[int]:
    """The target, and the stages that it begins with."""
    found = {target}
    names = {stage.start.name: index for index, stage in enumerate(dockerfile.stages[: target + 1]) if stage.start.name}
    while (below := names.get(dockerfile.stages[target].start.image.lower(), target)) not in found:
        found.add(below)
        target = below
    return found
