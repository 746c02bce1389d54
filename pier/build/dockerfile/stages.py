"""Which stages a target needs, and what each of their names means (pure)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from pier.build.dockerfile import ast
from pier.build.dockerfile.mounts import split_fields
from pier.build.dockerfile.suggest import did_you_mean
from pier.build.dockerfile.variables import Expander
from pier.errors import InvalidArgument
from pier.oci.reference import parse_reference

LAYOUT: Final = "oci-layout://"
"""Before what a client calls an OCI layout that has an image."""


class StageOrigin(msgspec.Struct, frozen=True):
    """Another stage of the file."""

    index: int


class ImageOrigin(msgspec.Struct, frozen=True):
    """``reference`` is canonical, ``written`` as the user has it. Of an OCI layout both are the context's value."""

    reference: str
    written: str


class ContextOrigin(msgspec.Struct, frozen=True):
    """A named context that is files: ``local:NAME``, a URL, a repository."""

    name: str
    value: str


class EmptyOrigin(msgspec.Struct, frozen=True):
    """scratch"""


Origin = StageOrigin | ImageOrigin | ContextOrigin | EmptyOrigin


class Stages:
    """``contexts``: the named ones. They stand in for a stage or an image of their name."""

    def __init__(self, dockerfile: ast.Dockerfile, contexts: Mapping[str, str], variables: Mapping[str, str]) -> None:
        self.dockerfile = dockerfile
        self.expander = Expander(dockerfile)
        self._contexts = {_context_name(name): (name, value) for name, value in contexts.items()}
        self._variables = variables
        self._bases: dict[int, Origin] = {}
        self._several = len(dockerfile.stages) > 1 or any(map(_reads_elsewhere, dockerfile.stages[0].instructions))
        self._by_name: dict[str, list[int]] = {}
        for index, stage in enumerate(dockerfile.stages):
            if stage.start.name:
                self._by_name.setdefault(stage.start.name, []).append(index)

    def stage(self, index: int) -> ast.Stage:
        return self.dockerfile.stages[index]

    def instructions(self, index: int) -> Sequence[ast.Instruction]:
        """None where a named context stands in for the stage."""
        stage = self.stage(index)
        return () if stage.start.name and self._context(stage.start.name) else stage.instructions

    def shown(self, index: int) -> str:
        """The stage's name in progress: a lone stage has none, unless it reads from elsewhere."""
        return self.stage(index).start.name or (f"stage-{index}" if self._several else "")

    def target(self, name: str) -> int:
        """The index of the stage ``name``, the last one where it is empty. InvalidArgument: there is none."""
        stages = self.dockerfile.stages
        if not name:
            return len(stages) - 1
        if found := self._by_name.get(name.lower()):
            return found[-1]
        if name.isdecimal() and int(name) < len(stages):
            return int(name)
        raise InvalidArgument(f'target stage "{name}" could not be found{self.suggestion(name)}')

    def suggestion(self, name: str) -> str:
        return did_you_mean(name.lower(), self._by_name)

    def base(self, index: int) -> Origin:
        """What the stage begins with. Raises Fault."""
        if index not in self._bases:
            self._bases[index] = self._base(index)
        return self._bases[index]

    def _base(self, index: int) -> Origin:
        start = self.stage(index).start
        replaced = self._context(start.name) if start.name else None
        if replaced is not None:
            return replaced
        name = self.expander.word(start.image, self._variables, start.location)
        if not name:
            raise self.expander.fault(f"base name ({start.image}) should not be blank", start.location)
        if earlier := [each for each in self._by_name.get(name.lower(), []) if each < index]:
            return self._stage_or_context(earlier[-1])
        return self._named(name, start.location)

    def platform(self, index: int) -> str:
        """The value of FROM's ``--platform``, expanded; empty where there is none."""
        start = self.stage(index).start
        found = self.expander.word(start.platform, self._variables, start.location)
        if start.platform and not found:
            raise self.expander.fault(f"empty platform value from expression {start.platform}", start.location)
        return found

    def source(self, name: str, index: int, location: ast.Location) -> Origin:
        """What ``--from=name`` means in stage ``index``. Raises Fault."""
        stages = self.dockerfile.stages
        if name.isdecimal():
            if int(name) >= len(stages):
                raise self.expander.fault(f"invalid stage index {name}", location)
            return self._other(int(name), name, index, location)
        found = self._by_name.get(name.lower(), [])
        earlier = [each for each in found if each < index]
        if found:
            return self._other((earlier or found)[-1], name, index, location)
        if not name:
            raise self.expander.fault("from needs the name of a stage, an image or a context", location)
        return self._named(name, location)

    def _other(self, found: int, name: str, index: int, location: ast.Location) -> Origin:
        own = self.shown(index) or str(index)
        if found == index:
            raise self.expander.fault(f"circular dependency detected on stage: {own}", location)
        if found > index:
            reason = f'cannot copy from stage "{name}", it needs to be defined before current stage "{own}"'
            raise self.expander.fault(reason, location)
        return self._stage_or_context(found)

    def _stage_or_context(self, index: int) -> Origin:
        name = self.stage(index).start.name
        return (self._context(name) if name else None) or StageOrigin(index)

    def _named(self, name: str, location: ast.Location) -> Origin:
        if name == "scratch":
            return EmptyOrigin()
        return self._context(name) or self._image(name, location)

    def _context(self, name: str) -> Origin | None:
        given, value = self._contexts.get(_context_name(name), ("", ""))
        if not given:
            return None
        if value.startswith("target:"):
            return StageOrigin(self.target(value.removeprefix("target:")))
        if value.startswith("docker-image://"):
            return self._image(value.removeprefix("docker-image://"), None)
        if value.startswith(LAYOUT):
            return ImageOrigin(value, value)
        return ContextOrigin(given, value)

    def _image(self, name: str, location: ast.Location | None) -> Origin:
        try:
            return ImageOrigin(parse_reference(name).with_default_tag().canonical, name)
        except InvalidArgument as error:
            raise self.expander.fault(f'failed to parse stage name "{name}": {error}', location) from error

    def check(self) -> None:
        """What Docker refuses even in stages that nobody needs. Raises Fault."""
        for index, stage in enumerate(self.dockerfile.stages):
            self.base(index)
            for instruction in stage.instructions:
                for name in sources_of(instruction):
                    if name.isdecimal() or name.lower() == stage.start.name:
                        self.source(name, index, instruction.location)

    def needs(self, index: int, triggers: Sequence[ast.Instruction] = ()) -> Iterator[tuple[Origin, ast.Location]]:
        """What the instructions of a stage, and the ``triggers`` of its base, read from, besides its base."""
        for instruction in (*triggers, *self.instructions(index)):
            for name in sources_of(instruction):
                yield self.source(name, index, instruction.location), instruction.location


def _reads_elsewhere(instruction: ast.Instruction) -> bool:
    return bool(isinstance(instruction, ast.Run) and instruction.mounts) or bool(sources_of(instruction))


def sources_of(instruction: ast.Instruction) -> list[str]:
    """The names that ``from`` has in an instruction."""
    if isinstance(instruction, ast.Copy):
        return [instruction.from_] if instruction.from_ else []
    if isinstance(instruction, ast.Run):
        return [name for mount in instruction.mounts if (name := _mounted(mount))]
    return []


def _mounted(mount: str) -> str:
    """The value of ``from``; the last one counts."""
    found = ""
    for field in split_fields(mount):
        key, _, value = field.partition("=")
        found = value if key.lower() == "from" else found
    return found


def _context_name(name: str) -> str:
    """Names are compared as those of images are: ``docker.io/library/alpine:latest`` is ``alpine``."""
    try:
        return parse_reference(name).with_default_tag().canonical
    except InvalidArgument:
        return name.lower()
