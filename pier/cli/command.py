"""What a command is: its flags, its arguments and the function that does it.

A command's table is the only place that names its flags: parser, ``--help``, completion and the
reference pages come from it. ``tree.py`` says where a command hangs and what it is for.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pier.cli.call import Call

MANY = 1 << 30


class Flag:
    """One flag. ``kind`` is a key of ``values.KINDS``; ``same_as`` names the flag that this one spells differently."""

    __slots__ = ("default", "help", "hidden", "kind", "name", "same_as", "short")

    def __init__(
        self,
        name: str,
        kind: str,
        help: str,
        short: str = "",
        default: Any = None,
        hidden: bool = False,
        same_as: str = "",
    ) -> None:
        self.name = name
        self.kind = kind
        self.help = help
        self.short = short
        self.default = default
        self.hidden = hidden
        self.same_as = same_as

    @property
    def shown(self) -> str:
        """As errors name it: ``-m, --memory``."""
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


class Command:
    """``usage`` is what follows the command's name. ``completes`` names what arguments are: see ``completion``."""

    __slots__ = ("completes", "details", "examples", "flags", "interspersed", "maximum", "minimum", "run", "usage")

    def __init__(
        self,
        run: Callable[[Call], int],
        usage: str,
        flags: tuple[Flag, ...] = (),
        *,
        minimum: int = 0,
        maximum: int = MANY,
        interspersed: bool = True,
        completes: str = "",
        details: str = "",
        examples: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.run = run
        self.usage = usage
        self.flags = flags
        self.minimum = minimum
        self.maximum = maximum
        self.interspersed = interspersed
        self.completes = completes
        self.details = details
        self.examples = examples


class UsageError(Exception):
    """The command line is wrong: the text goes to standard error as it is."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Failure(Exception):
    """A command failed for a reason of its own; an empty text prints nothing."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


class HelpWanted(Exception):
    """``--help`` was among the flags."""
