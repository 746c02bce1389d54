"""Image references as Docker writes them: ``[domain/]path[:tag][@digest]``, and their normal form.

A familiar name (``busybox``, ``me/app``) belongs to ``docker.io``, and one without a slash to
``docker.io/library``. Error texts are those of Docker: clients match them.
"""

import re
from typing import Final, NamedTuple

from pier.errors import InvalidArgument
from pier.oci.digest import Digest, parse_digest

DEFAULT_DOMAIN: Final = "docker.io"
DEFAULT_TAG: Final = "latest"
_LEGACY_DOMAIN: Final = "index.docker.io"
_OFFICIAL: Final = "library/"
_MAX_NAME: Final = 255

_LABEL: Final = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN: Final = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?"
_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE: Final = re.compile(
    rf"(?P<domain>{_DOMAIN})/(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?"
    r"(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)
_TAG: Final = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_FULL_ID: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ID_PREFIX: Final = re.compile(r"(?:sha256:)?[0-9a-f]{1,64}", re.ASCII)


class Reference(NamedTuple):
    """A normalised reference. ``path`` has its ``library/``; ``tag`` and ``digest`` may both be absent.

    A named tuple, for the client imports this: dataclasses cost it 6 ms.
    """

    domain: str
    path: str
    tag: str | None = None
    digest: Digest | None = None

    @property
    def name(self) -> str:
        """``docker.io/library/busybox``"""
        return f"{self.domain}/{self.path}"

    @property
    def canonical(self) -> str:
        """``docker.io/library/busybox:latest``"""
        return self.name + self._suffix()

    @property
    def familiar_name(self) -> str:
        """``busybox``"""
        if self.domain != DEFAULT_DOMAIN:
            return self.name
        shortened = self.path.removeprefix(_OFFICIAL)
        return self.path if "/" in shortened else shortened

    @property
    def familiar(self) -> str:
        """``busybox:latest``"""
        return self.familiar_name + self._suffix()

    def with_default_tag(self) -> "Reference":
        """Add ``latest`` where there is neither a tag nor a digest."""
        return self if self.tag or self.digest else self._replace(tag=DEFAULT_TAG)

    def with_tag(self, tag: str) -> "Reference":
        """The same repository under ``tag``; InvalidArgument where ``tag`` is not one."""
        if not _TAG.fullmatch(tag):
            raise InvalidArgument("invalid tag format")
        return Reference(self.domain, self.path, tag)

    def with_digest(self, digest: Digest) -> "Reference":
        """The same repository at ``digest``, without a tag: the form of a repo digest."""
        return Reference(self.domain, self.path, None, digest)

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        return self.familiar


def parse_reference(text: str) -> Reference:
    """Parse and normalise what a user or an archive wrote; InvalidArgument says what is wrong with it."""
    if _FULL_ID.fullmatch(text):
        raise InvalidArgument(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    domain, remainder = _split_domain(text)
    repository = remainder.partition("@")[0].partition(":")[0]
    if repository.lower() != repository:
        raise InvalidArgument(f"invalid reference format: repository name ({repository}) must be lowercase")
    match = _REFERENCE.fullmatch(f"{domain}/{remainder}")
    if match is None:
        raise InvalidArgument("invalid reference format")
    if len(match["domain"]) + 1 + len(match["path"]) > _MAX_NAME:
        raise InvalidArgument(f"repository name must not be more than {_MAX_NAME} characters")
    digest = parse_digest(match["digest"]) if match["digest"] else None
    return Reference(match["domain"], match["path"], match["tag"], digest)


def _split_domain(text: str) -> tuple[str, str]:
    head, slash, rest = text.partition("/")
    named = slash and (any(ch in head for ch in ".:[") or head == "localhost" or head.lower() != head)
    domain, remainder = (head, rest) if named else (DEFAULT_DOMAIN, text)
    if domain == _LEGACY_DOMAIN:
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in remainder.partition("@")[0]:
        remainder = _OFFICIAL + remainder
    return domain, remainder


def is_id_prefix(text: str) -> bool:
    """Whether ``text`` can be the beginning of an image ID, with or without ``sha256:``."""
    return _ID_PREFIX.fullmatch(text) is not None
