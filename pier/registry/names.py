"""Names that clients give: repositories and tags (pure; OCI distribution 1.1, "Pulling manifests")."""

import re
from typing import Final

from pier.registry.refusals import Code, Refusal

_REPOSITORY: Final = re.compile(
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*", re.A
)
_TAG: Final = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", re.A)
_LONGEST: Final = 255


def repository(name: str) -> str:
    """``name`` itself; Refusal NAME_INVALID for what is no repository name."""
    if not is_repository(name):
        raise Refusal(Code.NAME_INVALID, "invalid repository name", {"name": name[:_LONGEST]})
    return name


def is_repository(name: str) -> bool:
    return len(name) <= _LONGEST and _REPOSITORY.fullmatch(name) is not None


def tag(name: str) -> str:
    """``name`` itself; Refusal TAG_INVALID for what is no tag."""
    if not is_tag(name):
        raise Refusal(Code.TAG_INVALID, "invalid tag name", {"tag": name[:_LONGEST]})
    return name


def is_tag(name: str) -> bool:
    return _TAG.fullmatch(name) is not None


def project(name: str) -> str:
    """The project of the repository ``name``: all before its first slash, or all of it."""
    return name.partition("/")[0]
