"""The build's context and the named ones, as nodes of the graph (pure)."""

from collections.abc import Mapping
from typing import Final

from pier.build.dockerfile.ast import Location
from pier.build.dockerfile.draft import Draft, Drawn
from pier.build.dockerfile.fault import Fault
from pier.build.dockerfile.remotes import is_http, parse_git
from pier.build.request import BuildRequest
from pier.errors import Unsupported

_KEEP_GIT: Final = "BUILDKIT_CONTEXT_KEEP_GIT_DIR"
_LOCAL: Final = "local:"


class Contexts:
    """Each is drawn when it is first read from. Archives are folders by the name of what they come from, too."""

    def __init__(self, draft: Draft, request: BuildRequest, sources: Mapping[str, str]) -> None:
        self._draft = draft
        self._request = request
        self._sources = sources
        self._nodes: dict[str, int] = {}

    def main(self, location: Location) -> int:
        """The build's own. Raises Fault: there is none."""
        value = self._request.context
        if not value:
            raise Fault("the build has no context to read files from", location, self._sources)
        return self._node(value, "[internal] load build context")

    def named(self, name: str, value: str) -> int:
        return self._node(value, f"[context {name}] load from {'client' if value.startswith(_LOCAL) else value}")

    def _node(self, value: str, shown: str) -> int:
        if value not in self._nodes:
            self._nodes[value] = self._drawn(value, shown)
        return self._nodes[value]

    def _drawn(self, value: str, shown: str) -> int:
        repository = parse_git(value, keep_git_dir=keeps_git(self._request))
        if repository is not None:
            return self._draft.add(Drawn(repository, (), f"[internal] load git source {value}"))
        if not is_folder(value):
            raise Unsupported(f"unsupported context source {value.partition(':')[0]} for {value}")
        return self._draft.folder(folder_name(value), shown)


def keeps_git(request: BuildRequest) -> bool:
    return request.build_args.get(_KEEP_GIT, "").lower() in ("1", "true", "t")


def is_folder(value: str) -> bool:
    """Whether the session has it, or it is an archive that becomes one."""
    return value.startswith((_LOCAL, "upload:")) or is_http(value)


def folder_name(value: str) -> str:
    """What ``LocalSource.name`` is for a context: the session's name of a folder, else the whole value."""
    return value.removeprefix(_LOCAL)
