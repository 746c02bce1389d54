"""A context that is a Git repository: checked out before the build, because its Dockerfile is in it."""

from pathlib import Path

from pier.build.context.files import Files
from pier.build.deps import Build
from pier.build.dockerfile.contexts import keeps_git
from pier.build.dockerfile.remotes import parse_git
from pier.build.graph import GitSource, Vertex, vertex_id
from pier.build.solving.outcome import Solved
from pier.build.solving.performers import PERFORMERS
from pier.build.solving.told import Told, telling_failures
from pier.errors import Internal
from pier.oci.platform import Platform


async def repository_folder(build: Build, source: GitSource, text: str) -> Path:
    """The folder with what ``source`` names. The graph's vertex of the same source is solved with it."""
    op = parse_git(text, keep_git_dir=keeps_git(build.request)) or source
    id = vertex_id(op, (), Platform())
    if id not in build.solved:
        vertex = Vertex(id, op, (), f"[internal] load git source {text}", Platform())
        told = Told(build.progress, vertex)
        with telling_failures(told, build.failed, vertex):
            told.started()
            build.solved[id] = Solved(id, await PERFORMERS[GitSource].execute(build, vertex, ()))
        told.completed()
    files = build.solved[id].result
    if not isinstance(files, Files):
        raise Internal(f"{text} gave no files")
    return files.folder.path
