"""What somebody may do, from their roles (pure)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from pier.registry.model import Role
from pier.registry.names import project
from pier.registry.principal import Action

ALLOWS: Final[Mapping[Role, tuple[Action, ...]]] = {
    "reader": ("pull",),
    "writer": ("pull", "push"),
    "admin": ("pull", "push", "delete"),
}
_WEIGHT: Final[Mapping[Role, int]] = {"reader": 1, "writer": 2, "admin": 3}


@dataclass(frozen=True, slots=True)
class Rights:
    """``name`` is empty for nobody in particular. ``admin``: everything is allowed.

    ``roles`` are by a project's name, or a glob of whole repository names (``team/*``, ``*``).
    """

    name: str = ""
    admin: bool = False
    roles: Mapping[str, Role] = field(default_factory=dict)

    def role(self, repository: str) -> Role | None:
        """The strongest of those that fit."""
        if self.admin:
            return "admin"
        found = [role for pattern, role in self.roles.items() if fits(pattern, repository)]
        return max(found, key=_WEIGHT.__getitem__, default=None)

    def allows(self, action: Action, repository: str) -> bool:
        """The catalogue is for who has signed in: it shows what they may read."""
        if action in ("ping", "catalog"):
            return self.admin or bool(self.name)
        role = self.role(repository)
        return role is not None and action in ALLOWS[role]

    def leads(self, name: str) -> bool:
        """Whether they may change the project's rules: a role for some of its repositories is not enough."""
        return self.admin or any(
            role == "admin" and (pattern in ("*", name, f"{name}/*")) for pattern, role in self.roles.items()
        )


def fits(pattern: str, repository: str) -> bool:
    return pattern == project(repository) or fnmatchcase(repository, pattern)


def is_public(patterns: Iterable[str], repository: str) -> bool:
    return any(fits(pattern, repository) for pattern in patterns)
