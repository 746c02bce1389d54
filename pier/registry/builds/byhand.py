"""A build that somebody asks for, and no Git service (pure)."""

from pier.errors import InvalidArgument, NotFound
from pier.registry.builds import choosing
from pier.registry.builds.payload import Push, push
from pier.registry.settings import Build, Settings

_GLOB: frozenset[str] = frozenset("*?[")


def rule_of(settings: Settings, name: str) -> Build:
    """Raises NotFound."""
    for rule in settings.build:
        if rule.name == name:
            return rule
    raise NotFound(f"no such build in the settings: {name[:64]}")


def wanted_of(rule: Build, ref: str, commit: str) -> Push:
    """As if ``ref`` was pushed; without one the branch of the settings, without a commit whatever that is at.

    Raises InvalidArgument where that is not what the rule builds, or not enough to know how to call the image.
    """
    if not ref and (not rule.branch or _GLOB & set(rule.branch)):
        raise InvalidArgument(f"{rule.name} builds several branches or tags: say a ref, such as refs/heads/NAME")
    given = push(ref or f"refs/heads/{rule.branch}", commit)
    if not commit and choosing.needs_commit(rule):
        raise InvalidArgument("the image is called by its commit: say which one, by its whole number")
    if not choosing.wanted(rule, given) or not choosing.tags(rule, given):
        raise InvalidArgument(f"{rule.name} does not build {given.ref}")
    return given
