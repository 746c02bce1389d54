"""``cp``: files between a container and this machine, or a tar stream with ``-``."""

from __future__ import annotations

import os
import sys

from pier.cli.call import Call, warn
from pier.cli.command import Command, Failure, Flag
from pier.cli.copying import End, keep_end, plan, split, split_argument
from pier.cli.relay import write_all
from pier.cli.terminal import is_terminal
from pier.cli.units import size
from pier.client import containers
from pier.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

DIRECTORY = 1 << 31
LINK = 1 << 27
"""Go's FileMode bits."""


def copy(call: Call) -> int:
    source_container, source = split_argument(call.args[0])
    target_container, target = split_argument(call.args[1])
    if source_container and target_container:
        raise Failure("copying between containers is not supported")
    if not source_container and not target_container:
        raise Failure("must specify at least one container source")
    if not source:
        raise Failure("source can not be empty")
    if not target:
        raise Failure("destination can not be empty")
    quiet = call.flag("quiet") if call.given("quiet") else not is_terminal(1)
    if source_container:
        return _from_container(call, source_container, source, target, quiet)
    return _to_container(call, source, target_container, target, quiet)


def _local(path: str) -> str:
    return keep_end(os.path.abspath(path), path)


def _follow_end(stat: dict[str, Any], path: str) -> str:
    """Where the link ``path`` leads, with the end of ``path``."""
    target: str = stat["linkTarget"]
    if not target.startswith("/"):
        target = os.path.join(split(path)[0], target)
    return keep_end(target, path)


def _from_container(call: Call, container: str, source: str, target: str, quiet: bool) -> int:
    name = ""
    if call.flag("follow-link"):
        stat = containers.stat_path(call.client, container, source)
        if stat["mode"] & LINK:
            resolved = _follow_end(stat, source)
            if split(resolved)[1] != split(source)[1]:
                name = split(source)[1]
            source = resolved
    response = containers.get_archive(call.client, container, source)
    if target == "-":
        sys.stdout.flush()
        for piece in response.pieces():
            write_all(1, piece)
        return 0
    from pier.cli.tars import unpack

    stat = containers.path_stat(response.headers)
    target = _local(target)
    there = End(target, os.path.exists(target), os.path.isdir(target))
    here = End(source, True, bool(stat["mode"] & DIRECTORY))
    base = split(source)[1]
    if not there.exists and not os.path.isdir(split(target)[0]):
        raise Failure(f'invalid output path: directory "{split(target)[0]}" does not exist')
    wanted = plan(here, there)
    if name and not wanted.old:
        wanted.old, wanted.new = base, name
    total = unpack(response, wanted.folder, wanted.rename, call.flag("archive"))
    _report(quiet, total, target)
    return 0


def _to_container(call: Call, source: str, container: str, target: str, quiet: bool) -> int:
    there = _destination(call, container, target)
    if source == "-":
        if not there.is_directory:
            raise Failure(f'destination "{container}:{target}" must be a directory')
        from pier.cli.commands.archive import read_pieces

        containers.put_archive(call.client, container, there.path, read_pieces(0), True, call.flag("archive"))
        return 0
    from pier.cli.tars import pack

    folder, last, here = _source(source, call.flag("follow-link"))
    wanted = plan(here, there)

    def rename(name: str) -> str:
        if here.name != last:
            name = name.replace(last, here.name, 1)
        return wanted.rename(name)

    count = _Counter(pack(folder, last, rename))
    containers.put_archive(call.client, container, wanted.folder, count, True, call.flag("archive"))
    _report(quiet, count.total, f"{container}:{target}")
    return 0


def _source(path: str, follow: bool) -> tuple[str, str, End]:
    """Folder, name in it, and the end of the copy; a link is itself unless it is followed or ends in a slash."""
    local = _local(path)
    bare = local.rstrip("/") or "/"
    resolved = keep_end(os.path.realpath(local), path) if follow or bare != local else local
    if bare != local and os.path.lexists(bare) and not os.path.isdir(bare):
        raise Failure("not a directory")
    if not os.path.lexists(resolved):
        raise Failure(f"lstat {bare}: no such file or directory")
    folder, last = split(resolved)
    directory = os.path.isdir(resolved) and (resolved != bare or not os.path.islink(resolved))
    return folder, last, End(resolved, True, directory, split(local)[1])


def _destination(call: Call, container: str, target: str) -> End:
    try:
        stat = containers.stat_path(call.client, container, target)
        if stat["mode"] & LINK:
            target = _follow_end(stat, target)
            stat = containers.stat_path(call.client, container, target)
    except NotFound:
        return End(target, False, False)
    return End(target, True, bool(stat["mode"] & DIRECTORY))


class _Counter:
    """Pieces that are counted as they go."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.total = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.total += len(piece)
            yield piece


def _report(quiet: bool, total: int, target: str) -> None:
    if not quiet:
        warn(f"Successfully copied {size(total, 3)} to {target}")


CP = Command(
    copy,
    "CONTAINER:SRC_PATH DEST_PATH|-\n        pier cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    (
        Flag("archive", "bool", "Keep owners and groups", "a"),
        Flag("follow-link", "bool", "Copy what a link leads to instead of the link", "L"),
        Flag("quiet", "bool", "Do not say what was copied", "q"),
    ),
    minimum=2,
    maximum=2,
    completes="paths",
    details="With '-' as the source a tar archive is read from standard input and unpacked in the container's\n"
    "folder; with '-' as the destination one is written to standard output. SRC_PATH/. means the content\n"
    "of a folder.",
    examples=(
        ("pier cp web:/etc/nginx ./conf", "A folder out of a container"),
        ("pier cp ./site/. web:/usr/share/nginx/html", "The content of a folder into one"),
    ),
)
