"""Which repositories come from which upstream (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from yarl import URL

from pier.errors import InvalidArgument
from pier.registry.settings import Upstream

HUB: Final = "docker.io"
_LIBRARY: Final = "library/"
_HUBS: Final = frozenset({HUB, "index.docker.io", "registry-1.docker.io"})


@dataclass(frozen=True, slots=True)
class Place:
    """``name`` is the repository there, ``repository`` what it is called here: the upstream's name goes before it.

    There is one for each: what the Docker Hub calls ``alpine`` for short is ``library/alpine``.
    """

    upstream: Upstream
    name: str

    @property
    def repository(self) -> str:
        return f"{self.upstream.name}/{self.name}"


class Places:
    """Raises InvalidArgument for upstreams that cannot be told apart."""

    def __init__(self, upstreams: Sequence[Upstream]) -> None:
        self._by_name = {each.name: each for each in upstreams}
        if len(self._by_name) < len(upstreams):
            raise InvalidArgument("two upstreams have the same name")
        defaults = [each for each in upstreams if each.default]
        if len(defaults) > 1:
            raise InvalidArgument(f"only one upstream can be the default: {', '.join(each.name for each in defaults)}")
        self._default = defaults[0] if defaults else None
        self._by_host = {_host(each): each for each in reversed(upstreams)}

    @property
    def upstreams(self) -> list[Upstream]:
        return list(self._by_name.values())

    def of(self, repository: str) -> Place | None:
        """Where a repository comes from whose name begins with an upstream's."""
        first, _, rest = repository.partition("/")
        return _allowed(self._by_name.get(first), rest)

    def mirrored(self, repository: str, registry: str = "") -> Place | None:
        """Where a repository may come from that somebody asks for by its name there, as of a mirror.

        ``registry`` is the host that they want it of (containerd's ``ns``); without it the default upstream is meant.
        """
        upstream = self._by_host.get(registry) if registry else self._default
        return _allowed(upstream, repository)

    def meant(self, repository: str) -> list[Place]:
        """All that somebody may mean by a name: a mirror with a path is no default, and does not say its host."""
        if (place := self.of(repository)) is not None:
            return [place]
        return [place for each in self._by_name.values() if (place := _allowed(each, repository))]


def _allowed(upstream: Upstream | None, name: str) -> Place | None:
    if upstream is None or not name:
        return None
    names = [name]
    if upstream.library or _host(upstream) == HUB:
        short = name.removeprefix(_LIBRARY)
        names = [f"{_LIBRARY}{short}", short] if "/" not in short else names
    allowed = any(fnmatchcase(each, pattern) for each in names for pattern in upstream.names)
    return Place(upstream, names[0]) if allowed else None


def _host(upstream: Upstream) -> str:
    """With its port, where that is not the scheme's own."""
    host = URL(upstream.url).host_port_subcomponent or ""
    return HUB if host in _HUBS else host
