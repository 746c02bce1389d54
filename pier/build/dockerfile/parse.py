"""From text to :mod:`pier.build.dockerfile.ast` (pure). What is wrong is a :class:`SyntaxFault`, in Docker's words.

INCLUDE is Pier's own: ``INCLUDE path`` is replaced by the instructions of another file, be they whole stages or a few
lines of one. The path is relative to the including file, or from the root with a leading slash, and is not expanded.
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pier.build.dockerfile import ast
from pier.build.dockerfile.directives import DirectiveError, Directives, read_directives
from pier.build.dockerfile.fault import SyntaxFault
from pier.build.dockerfile.instructions import InstructionError, Parts, build, take_apart
from pier.build.dockerfile.lines import Line, LineError, decode, read_lines, split
from pier.build.dockerfile.words import WordsError, plain

_DEEPEST: Final = 16
_MOST_INSTRUCTIONS: Final = 100_000  # includes that double at each level


class MissingInclude(Exception):
    """The file ``path`` is needed: parse again with it. ``fault`` says so where it cannot be had."""

    def __init__(self, path: str, fault: SyntaxFault) -> None:
        super().__init__(path)
        self.path = path
        self.fault = fault


def parse(files: Mapping[str, bytes], name: str) -> ast.Dockerfile:
    """``name`` is one of ``files``. Raises SyntaxFault, and MissingInclude for a file that is not among ``files``."""
    reader = _Reader(files, name)
    args: list[ast.Arg] = []
    stages: list[ast.Stage] = []
    inside: list[ast.Instruction] = []
    for instruction in reader.read(name, ()):
        if isinstance(instruction, ast.From):
            stages, inside = _closed(stages, inside), []
            stages.append(ast.Stage(instruction, ()))
        elif stages:
            inside.append(instruction)
        elif isinstance(instruction, ast.Arg):
            args.append(instruction)
        else:
            raise SyntaxFault("no build stage in current context", instruction.location, reader.sources)
    if not stages:
        reason = "dockerfile contains no stages to build" if args else reader.nothing()
        raise SyntaxFault(reason, None, reader.sources)
    directives = reader.directives
    return ast.Dockerfile(
        file=name,
        sources=dict(reader.sources),
        args=tuple(args),
        stages=tuple(_closed(stages, inside)),
        escape=directives.escape,
        syntax=directives.syntax,
        check=directives.check,
    )


def parse_instruction(text: str, location: ast.Location, escape: str = "\\") -> ast.Instruction:
    """One instruction, here-documents included: a trigger, a ``--change``. ``location`` is whose fault it will be."""
    try:
        lines = list(read_lines(split(text), escape))
        if len(lines) != 1:
            raise InstructionError("onbuild trigger should be a single expression")
        return build(take_apart(lines[0], location, escape))
    except (LineError, WordsError) as error:
        raise SyntaxFault(str(error), location, {}) from error
    except InstructionError as error:
        raise SyntaxFault(f"dockerfile parse error on line {location.first}: {error}", location, {}) from error


def _closed(stages: list[ast.Stage], inside: Sequence[ast.Instruction]) -> list[ast.Stage]:
    if stages:
        stages[-1] = ast.Stage(stages[-1].start, tuple(inside))
    return stages


class _Reader:
    """Reads the main file and those that it includes; ``sources`` are their texts, as far as they were read."""

    def __init__(self, files: Mapping[str, bytes], main: str) -> None:
        self.sources: dict[str, str] = {}
        self.directives = Directives()
        self._files = files
        self._main = main
        self._count = 0

    def nothing(self) -> str:
        return "file with no instructions" if self._files[self._main].strip() else "the Dockerfile cannot be empty"

    def read(self, file: str, includers: tuple[str, ...]) -> Iterator[ast.Instruction]:
        text = decode(self._files[file])
        self.sources[file] = text
        lines = split(text)
        self._read_directives(file, lines)
        try:
            for line in read_lines(lines, self.directives.escape):
                yield from self._read_line(file, line, includers)
        except LineError as error:
            raise SyntaxFault(str(error), ast.Location(file, error.first, error.last), self.sources) from error

    def _read_directives(self, file: str, lines: list[str]) -> None:
        try:
            directives = read_directives(lines)
        except DirectiveError as error:
            raise SyntaxFault(str(error), ast.Location(file, error.line, error.line), self.sources) from error
        if file == self._main:
            self.directives = directives
        elif directives.escape_line and directives.escape != self.directives.escape:
            place = ast.Location(file, directives.escape_line, directives.escape_line)
            raise SyntaxFault(f"the escape directive is not that of {self._main}", place, self.sources)

    def _read_line(self, file: str, line: Line, includers: tuple[str, ...]) -> Iterator[ast.Instruction]:
        location = ast.Location(file, line.first, line.last)
        parts = take_apart(line, location, self.directives.escape)
        self._count += 1
        try:
            if parts.keyword.lower() != "include":
                yield build(parts)
                return
            path = _included(parts)
            if path in (*includers, file):
                raise InstructionError(f"INCLUDE of {path}, which includes this file")
            if len(includers) >= _DEEPEST or self._count > _MOST_INSTRUCTIONS:
                raise InstructionError(f"INCLUDE of {path}: too many files include each other")
        except WordsError as error:
            raise SyntaxFault(str(error), location, self.sources) from error
        except InstructionError as error:
            raise self._fault(str(error), location) from error
        if path not in self._files:
            raise MissingInclude(path, self._fault(f"INCLUDE of {path}: no such file", location))
        yield from self.read(path, (*includers, file))

    def _fault(self, reason: str, location: ast.Location) -> SyntaxFault:
        where = "" if location.file == self._main else f" of {location.file}"
        return SyntaxFault(f"dockerfile parse error on line {location.first}{where}: {reason}", location, self.sources)


def _included(parts: Parts) -> str:
    """The path below the root that INCLUDE names."""
    found = plain(parts.rest)
    if len(found) != 1 or parts.flags:
        raise InstructionError("INCLUDE requires exactly one argument, the path of a file")
    path = posixpath.normpath(posixpath.join("/", posixpath.dirname(parts.location.file), found[0]))
    written = posixpath.normpath(posixpath.join(posixpath.dirname(parts.location.file), found[0].lstrip("/")))
    if written.startswith("../") or path == "/":
        raise InstructionError(f"INCLUDE of {found[0]}: the file must be in the context")
    return path.lstrip("/")
