"""Docker's build checks (pure): what is allowed in a Dockerfile and yet likely wrong."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec

from pier.build.dockerfile import ast
from pier.build.dockerfile.fault import SyntaxFault
from pier.build.dockerfile.lintrules import Checks, read_checks, warning
from pier.build.dockerfile.lintstage import lint_instructions
from pier.build.dockerfile.lintvariables import lint_from_variables, lint_variables
from pier.build.dockerfile.shell import quoted
from pier.build.dockerfile.space import BLANKS

_RESERVED: Final = ("context", "scratch")


class Base(msgspec.Struct, frozen=True):
    """What is known of the image that a stage begins with. ``platform`` and ``expected`` are empty where it fits."""

    variables: frozenset[str] = frozenset()
    has_shell: bool = False
    reference: str = ""
    platform: str = ""
    expected: str = ""


_NO_BASES: Final[dict[int, Base]] = {}


def checks_of(dockerfile: ast.Dockerfile) -> Checks:
    """What the ``check`` directive says; SyntaxFault where it says nothing that is known."""
    try:
        return read_checks(dockerfile.check)
    except ValueError as error:
        raise SyntaxFault(str(error), None, dockerfile.sources) from error


def lint(
    dockerfile: ast.Dockerfile,
    bases: Mapping[int, Base] = _NO_BASES,
    *,
    checks: Checks | None = None,
    ignored: Callable[[str], bool] | None = None,
) -> list[ast.Warning]:
    """The findings, from the top.

    ``bases`` are the images of the stages by their index; a stage without one may have variables that nobody here
    knows. ``ignored``: whether ``.dockerignore`` leaves a path out. ``checks``: instead of the directive's.
    """
    wanted = checks or checks_of(dockerfile)
    found = [
        *_gaps(dockerfile),
        *_casing(dockerfile),
        *_names(dockerfile),
        *_descriptions(dockerfile),
        *_platforms(bases, dockerfile),
        *lint_from_variables(dockerfile),
        *lint_variables(dockerfile, {index: base.variables for index, base in bases.items()}),
        *lint_instructions(dockerfile, {index for index, base in bases.items() if base.has_shell}, ignored),
    ]
    main = dockerfile.file
    kept = {each: None for each in found if wanted.wants(each.rule)}
    return sorted(kept, key=lambda each: (each.location.file != main, each.location.file, each.location.first))


def _all(dockerfile: ast.Dockerfile) -> Iterator[ast.Instruction]:
    yield from dockerfile.args
    for stage in dockerfile.stages:
        yield stage.start
        yield from stage.instructions


def keyword(instruction: ast.Instruction) -> str:
    """As it is written."""
    return BLANKS.split(instruction.text, maxsplit=1)[0]


def _gaps(dockerfile: ast.Dockerfile) -> Iterator[ast.Warning]:
    for instruction in _all(dockerfile):
        if instruction.gap:
            yield warning("NoEmptyContinuation", "Empty continuation line", instruction.location)


def _casing(dockerfile: ast.Dockerfile) -> Iterator[ast.Warning]:
    keywords = [(keyword(instruction), instruction.location) for instruction in _all(dockerfile)]
    count = Counter("lower" if word.islower() else "upper" for word, _ in keywords if word.islower() or word.isupper())
    lower = count["lower"] > count["upper"]
    majority = "lowercase" if lower else "uppercase"
    for word, location in keywords:
        if not (word.islower() if lower else word.isupper()):
            message = f"Command '{word}' should match the case of the command majority ({majority})"
            yield warning("ConsistentInstructionCasing", message, location)


def _names(dockerfile: ast.Dockerfile) -> Iterator[ast.Warning]:
    seen: set[str] = set()
    for start in (stage.start for stage in dockerfile.stages):
        if not start.name:
            continue
        *_, as_word, name = BLANKS.split(start.text)
        if name != name.lower():
            yield warning("StageNameCasing", f"Stage name '{name}' should be lowercase", start.location)
        from_word = keyword(start)
        cased = from_word.islower() or from_word.isupper()
        if cased and not (as_word.islower() if from_word.islower() else as_word.isupper()):
            message = f"'{as_word}' and '{from_word}' keywords' casing do not match"
            yield warning("FromAsCasing", message, start.location)
        if start.name in _RESERVED:
            message = f"Stage name should not use the same name as reserved stage {quoted(start.name)}"
            yield warning("ReservedStageName", message, start.location)
        if start.name in seen:
            message = f"Duplicate stage name {quoted(start.name)}, stage names should be unique"
            yield warning("DuplicateStageName", message, start.location)
        seen.add(start.name)


def _descriptions(dockerfile: ast.Dockerfile) -> Iterator[ast.Warning]:
    for instruction in _all(dockerfile):
        names: list[str] = []
        if isinstance(instruction, ast.From) and instruction.name:
            names = [instruction.name]
        elif isinstance(instruction, ast.Arg):
            names = [pair.name for pair in instruction.pairs]
        if not names or not instruction.comments:
            continue
        if any(instruction.comments[-1].split(" ")[0].lower() == name.lower() for name in names):
            continue
        shown = names[0] if len(names) == 1 else "<arg_key>"
        message = f"Comment for {keyword(instruction).upper()} should follow the format: `# {shown} <description>`"
        yield warning("InvalidDefinitionDescription", message, instruction.location)


def _platforms(bases: Mapping[int, Base], dockerfile: ast.Dockerfile) -> Iterator[ast.Warning]:
    for index, base in bases.items():
        if base.platform and base.expected:
            message = (
                f"Base image {base.reference} was pulled with platform {quoted(base.platform)}, "
                f"expected {quoted(base.expected)} for current build"
            )
            yield warning("InvalidBaseImagePlatform", message, dockerfile.stages[index].start.location)
