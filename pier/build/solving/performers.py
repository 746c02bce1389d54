"""Who performs which operation."""

from collections.abc import Mapping
from typing import Final

from pier.build import graph
from pier.build.ops import copy, execute, git, http, image, local, merge, mkdir
from pier.build.ops.op import Performer

Performers = Mapping[type[graph.Operation], Performer]

PERFORMERS: Final[Performers] = {
    graph.ImageSource: image,
    graph.LocalSource: local,
    graph.GitSource: git,
    graph.HttpSource: http,
    graph.Copy: copy,
    graph.Mkdir: mkdir,
    graph.Merge: merge,
    graph.Exec: execute,
}
