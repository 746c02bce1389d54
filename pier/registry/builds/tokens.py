"""What an engine shows when it pulls and pushes here for a build: tokens of ours, for some hours."""

from dataclasses import dataclass
from typing import Final

from pier.registry import names
from pier.registry.access.gate import Gate
from pier.registry.access.scopes import Grant
from pier.registry.access.tokens import OWN
from pier.registry.settings import Build

_MARGIN: Final = 3600


def name_of(rule: Build) -> str:
    """Nobody has such a name, so that no password is its; the log of who pushed has it."""
    return f"{OWN}build+{rule.name}"


@dataclass(frozen=True, slots=True)
class Tokens:
    """Each is good until an hour after the build may last."""

    gate: Gate

    def push(self, rule: Build) -> str:
        """For the image's repository alone."""
        return self._made(rule, [Grant("repository", rule.image, ("pull", "push"))])

    def pull(self, rule: Build) -> str:
        """For what the build may begin from, and to read only."""
        return self._made(rule, [Grant("repository", name, ("pull",)) for name in readable(rule)])

    def _made(self, rule: Build, grants: list[Grant]) -> str:
        return self.gate.tokens.own(name_of(rule), grants, rule.timeout + _MARGIN)


def readable(rule: Build) -> tuple[str, ...]:
    """Globs of repositories; those of the image's project where the rule does not say."""
    project = names.project(rule.image)
    return rule.reads or (project, f"{project}/*")
