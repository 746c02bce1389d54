"""Which pushes are built, and what their images are called (pure)."""

import re
import string
from fnmatch import fnmatchcase
from typing import Final
from urllib.parse import urlsplit

from pier.errors import InvalidArgument
from pier.oci.platform import parse_platform
from pier.registry import names
from pier.registry.builds.checking import check_bases, check_engine, check_git
from pier.registry.builds.gitconfig import fetched_here
from pier.registry.builds.payload import Push
from pier.registry.refusals import Refusal
from pier.registry.settings import Build, Settings

_FIELDS: Final = frozenset({"sha", "short", "branch", "tag"})
_OF_COMMITS: Final = frozenset({"sha", "short"})
_SHORT: Final = 7
_LONGEST: Final = 128
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_.-]")
_SAMPLE: Final = dict.fromkeys(_FIELDS, "x")


def wanted(rule: Build, push: Push) -> bool:
    if push.tag:
        return any(fnmatchcase(push.tag, pattern) for pattern in rule.git_tags)
    return bool(rule.branch) and fnmatchcase(push.branch, rule.branch)


def tags(rule: Build, push: Push) -> list[str]:
    """Of the image, each once; without those that need what this push has not (``{tag}`` of a branch)."""
    values = {"sha": push.commit, "short": push.commit[:_SHORT], "branch": push.branch, "tag": push.tag}
    found = [text.format_map(values) for text in rule.tags if all(values[field] for field in _fields(text))]
    return list(dict.fromkeys(_fitting(text) for text in found))


def needs_commit(rule: Build) -> bool:
    """Whether the image cannot be named by the ref alone."""
    return any(_OF_COMMITS & _fields(text) for text in rule.tags)


def _fitting(text: str) -> str:
    """Branches have slashes, tags of images do not."""
    text = _UNFIT.sub("-", text)[:_LONGEST]
    return text if text[0] not in ".-" else f"_{text[1:]}"


def _fields(text: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}


def check(settings: Settings) -> None:
    """Raises InvalidArgument for builds without sense."""
    if len({rule.name for rule in settings.build}) < len(settings.build):
        raise InvalidArgument("two builds have the same name")
    for rule in settings.build:
        try:
            _check(rule, settings)
        except (InvalidArgument, Refusal) as error:
            raise InvalidArgument(f"build {rule.name}: {error.message}") from error


def _check(rule: Build, settings: Settings) -> None:
    if bool(rule.secret) == bool(rule.secret_file):
        raise InvalidArgument("it needs a secret or a secret_file, that the webhook is given, too")
    if not rule.branch and not rule.git_tags:
        raise InvalidArgument("it needs a branch, or git_tags: what is built when it is pushed")
    if settings.tls_cert and not rule.push_to:
        raise InvalidArgument(
            "it needs push_to: the name in the certificate, by which the engine reaches this registry"
        )
    if len({str(parse_platform(platform)) for platform in rule.platforms}) < len(rule.platforms):
        raise InvalidArgument("it names a platform twice")
    names.repository(rule.image)
    _check_repository(rule)
    check_git(rule)
    check_engine(rule)
    check_bases(rule)
    for text in rule.tags:
        _check_tag(text)


def _check_repository(rule: Build) -> None:
    """What is not told apart from a file by its end would be taken for one by an engine."""
    url = rule.repository
    if "://" not in url:
        return
    parts = urlsplit(url)
    if parts.password is not None or (parts.username and parts.scheme != "ssh"):
        raise InvalidArgument("a repository's URL takes no password: say git_username and git_password_file")
    if parts.scheme in ("http", "https") and not parts.path.endswith(".git") and not fetched_here(rule):
        raise InvalidArgument(f"a repository's URL ends with .git where the engine fetches it: {url}")


def _check_tag(text: str) -> None:
    try:
        unknown = _fields(text) - _FIELDS
        if not unknown:
            names.tag(text.format_map(_SAMPLE))
    except (ValueError, LookupError, AttributeError, Refusal) as error:
        raise InvalidArgument(f"invalid tag: {text}") from error
    if unknown:
        raise InvalidArgument(f"unknown word in the tag {text}: {{sha}}, {{short}}, {{branch}} and {{tag}} are known")


def target(rule: Build, settings: Settings) -> str:
    """The repository as the engine has to call it."""
    host, _, port = settings.listen[0].rpartition(":")
    near = f"localhost:{port}" if host.strip("[]") in ("", "0.0.0.0", "::", "::1") else f"{host}:{port}"
    return f"{rule.push_to or near}/{rule.image}"
