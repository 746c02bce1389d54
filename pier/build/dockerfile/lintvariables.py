"""Checks of variables (pure): those that nobody set, and what FROM makes of arguments."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from pier.build.dockerfile import ast
from pier.build.dockerfile.lintrules import warning
from pier.build.dockerfile.shell import Expansion, ExpansionError, expand, quoted
from pier.build.dockerfile.suggest import did_you_mean
from pier.errors import InvalidArgument
from pier.oci.reference import parse_reference

PLATFORM_ARGS: Final = tuple(
    side + part for side in ("BUILD", "TARGET") for part in ("PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT")
)
_ALWAYS: Final = frozenset({"PATH"})
_NOTHING: Final = Expansion("", frozenset(), frozenset())


def lint_from_variables(dockerfile: ast.Dockerfile) -> Iterator[ast.Warning]:
    declared = [pair.name for arg in dockerfile.args for pair in arg.pairs]
    known = dict.fromkeys([*PLATFORM_ARGS, "TARGETSTAGE", *declared], "x")
    for stage in dockerfile.stages:
        for word in (stage.start.image, stage.start.platform):
            for name in sorted(_expanded(word, known, dockerfile.escape).unset):
                message = f"FROM argument '{name}' is not declared{did_you_mean(name, known)}"
                yield warning("UndefinedArgInFrom", message, stage.start.location)
        yield from _defaults(dockerfile, stage.start)
        yield from _platform(dockerfile, stage.start)


def _defaults(dockerfile: ast.Dockerfile, start: ast.From) -> Iterator[ast.Warning]:
    """With no argument given: is there an image's name at all?"""
    values = dict.fromkeys(PLATFORM_ARGS, "x")
    for pair in (pair for arg in dockerfile.args for pair in arg.pairs):
        values[pair.name] = _expanded(pair.value or "", values, dockerfile.escape).text
    made = _expanded(start.image, values, dockerfile.escape)
    if made.used and not _is_name(made.text):
        message = f"Default value for ARG {start.image} results in empty or invalid base image name"
        yield warning("InvalidDefaultArgInFrom", message, start.location)


def _is_name(text: str) -> bool:
    try:
        parse_reference(text)
    except InvalidArgument:
        return False
    return True


def _platform(dockerfile: ast.Dockerfile, start: ast.From) -> Iterator[ast.Warning]:
    if not start.platform:
        return
    if start.platform in ("$TARGETPLATFORM", "${TARGETPLATFORM}"):
        message = (
            f"Setting platform to predefined {start.platform} in FROM is redundant as this is the default behavior"
        )
        yield warning("RedundantTargetPlatform", message, start.location)
    elif "$" not in start.platform and not any(part in start.name for part in start.platform.split("/")):
        message = f"FROM --platform flag should not use constant value {quoted(start.platform)}"
        yield warning("FromPlatformFlagConstDisallowed", message, start.location)


def lint_variables(dockerfile: ast.Dockerfile, bases: Mapping[int, frozenset[str]]) -> Iterator[ast.Warning]:
    """``bases``: the variables of the stages' images, by the stage's index. A stage without is passed over."""
    ends: dict[str, frozenset[str]] = {}
    for index, stage in enumerate(dockerfile.stages):
        begins = ends.get(stage.start.image.lower())
        if begins is None:
            begins = frozenset() if stage.start.image == "scratch" else bases.get(index)
        if begins is None:
            continue
        scope = _Scope(begins | _ALWAYS, dockerfile.escape)
        for instruction in stage.instructions:
            yield from scope.read(instruction)
        if stage.start.name:
            ends[stage.start.name] = frozenset(scope.known)


class _Scope:
    """Which names are set, from instruction to instruction."""

    def __init__(self, known: frozenset[str], escape: str) -> None:
        self.known = dict.fromkeys(sorted(known), "x")
        self._escape = escape

    def read(self, instruction: ast.Instruction) -> Iterator[ast.Warning]:
        told: set[str] = set()
        if isinstance(instruction, ast.Arg):
            for pair in instruction.pairs:
                told |= self._unset([pair.value or ""])
                self.known[pair.name] = "x"
        else:
            told = self._unset(_words(instruction))
        if isinstance(instruction, ast.Transfer):
            for document in instruction.heredocs:
                if document.expand:
                    told |= _expanded(document.content, self.known, "\\", raw=True).unset
        for name in sorted(told):
            near = did_you_mean(name, self.known).replace("mean ", "mean $")
            yield warning("UndefinedVar", f"Usage of undefined variable '${name}'{near}", instruction.location)
        if isinstance(instruction, ast.Env):
            self.known |= {pair.name: "x" for pair in instruction.pairs}

    def _unset(self, words: Iterable[str]) -> set[str]:
        return {name for word in words for name in _expanded(word, self.known, self._escape).unset}


def _words(instruction: ast.Instruction) -> tuple[str, ...]:
    """Those that are expanded here, and not by a shell."""
    match instruction:
        case ast.Env(pairs=pairs) | ast.Label(pairs=pairs):
            return tuple(word for pair in pairs for word in (pair.name, pair.value or ""))
        case ast.Copy() | ast.Add():
            sources = tuple(source for source in instruction.sources if not source.startswith("<<"))
            return (*sources, instruction.dest, instruction.chown, instruction.chmod)
        case ast.Workdir(path=word) | ast.User(user=word) | ast.StopSignal(signal=word):
            return (word,)
        case ast.Volume(paths=words) | ast.Expose(ports=words):
            return words
    return ()


def _expanded(word: str, known: Mapping[str, str], escape: str, *, raw: bool = False) -> Expansion:
    try:
        return expand(word, known, escape, raw=raw)
    except ExpansionError:
        return _NOTHING  # the build itself says what is wrong with it
