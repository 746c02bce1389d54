"""A stage while it is lowered: its state, and what its instructions ask (pure)."""

import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pier.build.dockerfile import ast
from pier.build.dockerfile.draft import Draft, Drawn
from pier.build.dockerfile.fault import Fault
from pier.build.dockerfile.state import State
from pier.build.dockerfile.texts import StepNames
from pier.build.dockerfile.variables import Expander
from pier.build.graph import Op
from pier.build.request import BuildRequest


@dataclass(slots=True)
class Stage:
    """``globals``: the variables before the first FROM. ``origin``: the node that ``--from=NAME`` means, None for an
    empty one. ``context``: the node of the build's own context.
    """

    draft: Draft
    request: BuildRequest
    expander: Expander
    escape: str
    globals: Mapping[str, str]
    state: State
    names: StepNames
    uncached: bool
    origin: Callable[[str, ast.Location], int | None]
    context: Callable[[ast.Location], int]

    def word(self, word: str, location: ast.Location) -> str:
        return self.expander.word(word, self.state.variables, location)

    def words(self, word: str, location: ast.Location) -> list[str]:
        return self.expander.words(word, self.state.variables, location)

    def pairs(self, pairs: Sequence[ast.Pair], location: ast.Location) -> list[tuple[str, str]]:
        return [(self.word(pair.name, location), self.word(pair.value or "", location)) for pair in pairs]

    def fault(self, reason: str, location: ast.Location) -> Fault:
        return self.expander.fault(reason, location)

    def argument(self, name: str, default: str | None) -> str | None:
        """What an ARG comes to; a proxy's value is for the steps alone."""
        if name in self.request.build_args:
            return self.request.build_args[name]
        return default if default is not None else self.globals.get(name)

    def command(self, command: ast.Command) -> list[str]:
        """The words that are run: with the shell before them, unless they are complete."""
        return [*self.shell, *command.words] if command.shell else list(command.words)

    @property
    def shell(self) -> list[str]:
        return self.state.config.shell or ["/bin/sh", "-c"]

    @property
    def workdir(self) -> str:
        return posixpath.join("/", self.state.config.working_dir)

    def absolute(self, path: str) -> str:
        """Clean, and relative to WORKDIR where it is not absolute; a slash at the end stays."""
        joined = posixpath.normpath(posixpath.join("/", self.workdir, path)).replace("//", "/")
        folder = path in ("", ".") or path.endswith(("/", "/."))
        return joined if not folder or joined == "/" else joined + "/"

    def step(
        self,
        instruction: ast.Instruction,
        op: Op,
        inputs: Sequence[int],
        *,
        environment: tuple[str, ...] = (),
        shown: str = "",
    ) -> int:
        """Draw a vertex that changes the file system, with its place among the steps of the stage."""
        name = self.names.next(shown or instruction.text, self.state.variables, self.escape)
        return self.draft.add(
            Drawn(
                op,
                tuple(inputs),
                name,
                self.state.platform,
                instruction.location,
                environment,
                self.uncached,
            )
        )
