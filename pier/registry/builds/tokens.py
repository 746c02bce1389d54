"""What an engine shows when it pushes a build's image: a token of ours, for that repository, and for some hours."""

from typing import Final

from pier.registry.access.gate import Gate
from pier.registry.access.scopes import Grant
from pier.registry.access.tokens import OWN
from pier.registry.settings import Build

_MARGIN: Final = 3600


def name_of(rule: Build) -> str:
    """Nobody has such a name, so that no password is its; the log of who pushed has it."""
    return f"{OWN}build+{rule.name}"


def token_of(gate: Gate, rule: Build) -> str:
    grants = [Grant("repository", rule.image, ("pull", "push"))]
    return gate.tokens.own(name_of(rule), grants, rule.timeout + _MARGIN)
