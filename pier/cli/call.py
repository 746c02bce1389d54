"""One invocation of a command: its flags and arguments, and the way to the daemon."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pier.cli.command import Command
    from pier.client.session import Client


class Call:
    """``path`` is the command as it was typed ("container run"); ``options`` are the global flags."""

    __slots__ = ("_client", "args", "command", "options", "path", "values")

    def __init__(
        self, path: str, command: Command, values: dict[str, Any], args: list[str], options: dict[str, Any]
    ) -> None:
        self.path = path
        self.command = command
        self.values = values
        self.args = args
        self.options = options
        self._client: Client | None = None

    def given(self, name: str) -> bool:
        """Whether the flag was on the command line, with whatever value."""
        return name in self.values

    def get(self, name: str) -> Any:
        """The flag's value, else the default of its table row."""
        if name in self.values:
            return self.values[name]
        for flag in self.command.flags:
            if flag.name == name:
                return flag.default
        raise KeyError(name)

    def text(self, name: str) -> str:
        value = self.get(name)
        return "" if value is None else str(value)

    def flag(self, name: str) -> bool:
        return bool(self.get(name))

    def items(self, name: str) -> list[Any]:
        """The occurrences of a repeatable flag."""
        value: list[Any] = self.values.get(name, [])
        return value

    @property
    def client(self) -> Client:
        """The daemon; nothing is sent until it is used."""
        if self._client is None:
            from pier.cli.daemon import client_for

            self._client = client_for(self.options)
        return self._client


def say(text: str) -> None:
    """One line to standard output."""
    sys.stdout.write(text + "\n")


def warn(text: str) -> None:
    """One line to standard error, after what standard output already has."""
    sys.stdout.flush()
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def for_each(names: list[str], action: Any, echo: bool = True) -> int:
    """Do ``action(name)`` for all names, say each name that worked, and each error; 1 when any failed."""
    from pier.cli.errors import sentence
    from pier.errors import PierError

    status = 0
    for name in names:
        try:
            action(name)
        except PierError as error:
            warn(sentence(error))
            status = 1
        else:
            if echo:
                say(name)
    return status
