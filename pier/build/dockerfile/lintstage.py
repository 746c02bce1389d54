"""Checks of the instructions inside of stages (pure)."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

from pier.build.dockerfile import ast
from pier.build.dockerfile.lintrules import warning
from pier.build.dockerfile.shell import quoted

_SECRET: Final = re.compile(
    r"(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)", re.IGNORECASE
)
_PUBLIC: Final = re.compile(r"(?:_|^)public(?:_|$)", re.IGNORECASE)


def lint_instructions(
    dockerfile: ast.Dockerfile, with_shell: Collection[int], ignored: Callable[[str], bool] | None
) -> Iterator[ast.Warning]:
    """``with_shell``: the stages whose base image has a SHELL. ``ignored``: as :func:`lint.lint` has it."""
    for arg in dockerfile.args:
        yield from _secrets(arg)
    shells = _Inherited(dockerfile)
    workdirs = _Inherited(dockerfile)
    for index, stage in enumerate(dockerfile.stages):
        has_shell = index in with_shell or shells.begins(index)
        has_workdir = workdirs.begins(index)
        for instruction in stage.instructions:
            yield from _alone(instruction)
            if isinstance(instruction, ast.Shell):
                has_shell = True
            elif isinstance(instruction, ast.Workdir):
                if not has_workdir and not _absolute(instruction.path):
                    message = (
                        f"Relative workdir {quoted(instruction.path)} can have unexpected results "
                        "if the base image changes"
                    )
                    yield warning("WorkdirRelativePath", message, instruction.location)
                has_workdir = True
            elif isinstance(instruction, ast.Cmd | ast.Entrypoint) and instruction.command.shell and not has_shell:
                name = type(instruction).__name__.upper()
                message = f"JSON arguments recommended for {name} to prevent unintended behavior related to OS signals"
                yield warning("JSONArgsRecommended", message, instruction.location)
            elif isinstance(instruction, ast.Copy | ast.Add) and ignored:
                yield from _ignored(instruction, ignored)
        shells.ends(index, has_shell)
        workdirs.ends(index, has_workdir)
        yield from _repeated(stage.instructions)


class _Inherited:
    """What stages hand on to those that begin with them."""

    def __init__(self, dockerfile: ast.Dockerfile) -> None:
        self._stages = dockerfile.stages
        self._ends: dict[str, bool] = {}

    def begins(self, index: int) -> bool:
        return self._ends.get(self._stages[index].start.image.lower(), False)

    def ends(self, index: int, value: bool) -> None:
        if name := self._stages[index].start.name:
            self._ends[name] = value


def _absolute(path: str) -> bool:
    """A path that begins with a variable may be anything."""
    return path.lstrip("\"'").startswith(("/", "$"))


def _alone(instruction: ast.Instruction) -> Iterator[ast.Warning]:
    """What shows in the instruction itself."""
    if isinstance(instruction, ast.Maintainer):
        message = "Maintainer instruction is deprecated in favor of using label"
        yield warning("MaintainerDeprecated", message, instruction.location)
    elif isinstance(instruction, ast.Expose):
        yield from _ports(instruction)
    if isinstance(instruction, ast.Env | ast.Label) and instruction.legacy:
        name = type(instruction).__name__.upper()
        message = f'"{name} key=value" should be used instead of legacy "{name} key value" format'
        yield warning("LegacyKeyValueFormat", message, instruction.location)
    if isinstance(instruction, ast.Env | ast.Arg):
        yield from _secrets(instruction)


def _secrets(instruction: ast.Env | ast.Arg) -> Iterator[ast.Warning]:
    name = type(instruction).__name__.upper()
    for pair in instruction.pairs:
        if _SECRET.search(pair.name) and not _PUBLIC.search(pair.name):
            message = f"Do not use ARG or ENV instructions for sensitive data ({name} {quoted(pair.name)})"
            yield warning("SecretsUsedInArgOrEnv", message, instruction.location)


def _ports(instruction: ast.Expose) -> Iterator[ast.Warning]:
    for port in instruction.ports:
        protocol = port.partition("/")[2]
        if "$" not in protocol and protocol != protocol.lower():
            message = f"Defined protocol '{port}' in EXPOSE instruction should be lowercase"
            yield warning("ExposeProtoCasing", message, instruction.location)
        if re.search(r":(?![-+?=])", port.partition("/")[0]) and "{" not in port:
            message = f"EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'"
            yield warning("ExposeInvalidFormat", message, instruction.location)


def _ignored(instruction: ast.Copy | ast.Add, ignored: Callable[[str], bool]) -> Iterator[ast.Warning]:
    if isinstance(instruction, ast.Copy) and instruction.from_:
        return
    for source in instruction.sources:
        path = source.strip("/").removeprefix("./")
        plain = path and not re.search(r"[$*?\[\\]|://|^<<|^git@", source)
        if plain and ignored(path):
            name = type(instruction).__name__
            message = f"Attempting to {name} file {quoted(source)} that is excluded by .dockerignore"
            yield warning("CopyIgnoredFile", message, instruction.location)


def _repeated(instructions: Sequence[ast.Instruction]) -> Iterator[ast.Warning]:
    """It is the earlier one that will be ignored, so that one is shown."""
    before: dict[str, ast.Location] = {}
    for instruction in instructions:
        if isinstance(instruction, ast.Cmd | ast.Entrypoint | ast.Healthcheck):
            name = type(instruction).__name__.upper()
            if name in before:
                message = (
                    f"Multiple {name} instructions should not be used in the same stage "
                    "because only the last one will be used"
                )
                yield warning("MultipleInstructionsDisallowed", message, before[name])
            before[name] = instruction.location
