"""Scopes, as clients ask for them and as tokens carry them (pure; Docker token specification, "Token Scope").

``repository:team/site:pull,push`` is one; ``registry:catalog:*`` is the catalogue.
"""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from pier.registry import names
from pier.registry.principal import Action, Need
from pier.registry.refusals import Refusal

ACTIONS: Final[tuple[Action, ...]] = ("pull", "push", "delete")
CATALOGUE: Final = "registry:catalog:*"
_SCOPE: Final = re.compile(r"([a-z0-9]+)(?:\([a-z0-9]+\))?:(.+):([^:]*)", re.S)
_MOST: Final = 200


class Grant(msgspec.Struct, frozen=True):
    """A token's claim: ``access`` is a list of these. The names are the specification's."""

    type: str
    name: str
    actions: tuple[str, ...]


def parse(texts: Iterable[str]) -> list[Grant]:
    """What is asked for, each resource once. A text may hold several, between blanks; what is no scope is left out."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    words = [word for text in texts for word in text.split()]
    for word in words[:_MOST]:
        fit = _SCOPE.fullmatch(word)
        if fit is not None and _makes_sense(fit[1], fit[2]):
            wanted = ACTIONS if fit[3] == "*" and fit[1] == "repository" else fit[3].split(",")
            found.setdefault((fit[1], fit[2]), {}).update(dict.fromkeys(each for each in wanted if each))
    return [Grant(type, name, tuple(actions)) for (type, name), actions in found.items()]


def _makes_sense(type: str, name: str) -> bool:
    if type == "registry":
        return name == "catalog"
    try:
        return type == "repository" and bool(names.repository(name))
    except Refusal:
        return False


def covers(grants: Sequence[Grant], action: Action, repository: str) -> bool:
    """Whether a token with these claims is good for that. Any token is good for a ping."""
    match action:
        case "ping":
            return True
        case "catalog":
            return any(each.type == "registry" and "*" in each.actions for each in grants)
    return any(each.type == "repository" and _is(each.name, repository) and action in each.actions for each in grants)


def _is(name: str, repository: str) -> bool:
    """A glob stands in tokens that this registry gives by itself alone: nobody can ask for one (:func:`parse`)."""
    return name == repository or ("*" in name and fnmatchcase(repository, name))


def wanted(needs: Iterable[Need]) -> str:
    """The scope that a client should ask for; empty where any token does."""
    return " ".join(scope for need in needs if (scope := _scope(need)))


def _scope(need: Need) -> str:
    match need.action:
        case "ping":
            return ""
        case "catalog":
            return CATALOGUE
        case "push":
            return f"repository:{need.repository}:pull,push"
    return f"repository:{need.repository}:{need.action}"
