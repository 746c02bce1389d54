"""Who performs which operation."""

from collections.abc import Mapping
from importlib import import_module
from typing import Final, cast

from pier.build import graph
from pier.build.ops.op import Performer

Performers = Mapping[type[graph.Operation], Performer]


class _Modules(dict[type[graph.Operation], Performer]):
    """Imported when they are first needed."""

    def __missing__(self, op: type[graph.Operation]) -> Performer:
        found = cast(Performer, import_module(f"pier.build.ops.{_NAMES[op]}"))
        self[op] = found
        return found


_NAMES: Final[dict[type[graph.Operation], str]] = {
    graph.ImageSource: "image",
    graph.LocalSource: "local",
    graph.GitSource: "git",
    graph.HttpSource: "http",
    graph.Copy: "copy",
    graph.Mkdir: "mkdir",
    graph.Merge: "merge",
    graph.Exec: "execute",
}
PERFORMERS: Final[Performers] = _Modules()
