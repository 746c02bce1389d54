"""What a build reads before it knows what to do: the Dockerfile, what it includes, and .dockerignore."""

import asyncio
import os
import posixpath
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from pier.build.deps import Build
from pier.build.dockerfile import ast
from pier.build.dockerfile.contexts import folder_name
from pier.build.dockerfile.parse import MissingInclude, parse
from pier.build.dockerfile.remotes import parse_git
from pier.build.dockerignore import parse_ignore
from pier.build.export.steps import step
from pier.build.repository import repository_folder
from pier.errors import InvalidArgument, NotFound
from pier.linux.files import open_in_root

_LARGEST: Final = 16 * 1024 * 1024
_IGNORE: Final = ".dockerignore"
_LOCAL: Final = "local:"


class Read(msgspec.Struct, frozen=True):
    """``excludes``: the patterns of each of the client's folders, by name. ``vertex``: the one that warnings are of."""

    dockerfile: ast.Dockerfile
    excludes: Mapping[str, tuple[str, ...]]
    vertex: str


async def read(build: Build) -> Read:
    """Raises SyntaxFault, and InvalidArgument where there is no Dockerfile."""
    request = build.request
    context = request.dockerfile_context or request.context
    files = _Files(build, context)
    folders = {value: f"[context {name}] load .dockerignore" for name, value in request.contexts.items()}
    folders = {value: shown for value, shown in folders.items() if value.startswith(_LOCAL)}
    if request.context and parse_git(request.context) is None:
        folders[request.context] = "[internal] load .dockerignore"
    async with asyncio.TaskGroup() as group:
        definition = group.create_task(_definition(build, files))
        ignores = {value: group.create_task(_ignore(build, value, shown)) for value, shown in folders.items()}
    dockerfile, vertex = definition.result()
    excludes = {folder_name(value): task.result() for value, task in ignores.items()}
    if (own := files.known.get(_clean(request.dockerfile) + _IGNORE)) is not None:
        excludes[folder_name(request.context)] = parse_ignore(own)
    return Read(dockerfile, excludes, vertex)


async def _definition(build: Build, files: "_Files") -> tuple[ast.Dockerfile, str]:
    name = build.request.dockerfile
    main = _clean(name)
    with step(build.progress, build.request.id, f"[internal] load build definition from {name}") as shown:
        files.known = await files.fetch((main, main + _IGNORE))
        if main not in files.known:
            raise InvalidArgument(f"failed to read dockerfile: open {name}: no such file or directory")
        shown.note(f"transferring dockerfile: {len(files.known[main])}B")
    return await _parsed(files, main), shown.vertex


def _clean(name: str) -> str:
    """The path below the root of the folder."""
    return posixpath.normpath(posixpath.join("/", name)).lstrip("/")


async def _parsed(files: "_Files", main: str) -> ast.Dockerfile:
    while True:
        try:
            return parse(files.known, main)
        except MissingInclude as missing:
            files.known.update(await files.fetch((missing.path,)))
            if missing.path not in files.known:
                raise missing.fault from None


async def _ignore(build: Build, context: str, shown: str) -> tuple[str, ...]:
    with step(build.progress, build.request.id, shown):
        found = await _Files(build, context).fetch((_IGNORE,))
    return parse_ignore(found.get(_IGNORE, b""))


class _Files:
    """Small files of one context."""

    def __init__(self, build: Build, context: str) -> None:
        self._build = build
        self._context = context
        self.known: dict[str, bytes] = {}

    async def fetch(self, names: tuple[str, ...]) -> dict[str, bytes]:
        """Those of ``names`` that are there."""
        if not self._context:
            raise InvalidArgument("failed to read dockerfile: the build has no context")
        repository = parse_git(self._context)
        if repository is not None:
            folder = await repository_folder(self._build, repository, self._context)
            return await asyncio.to_thread(_read_all, folder, names)
        try:
            async with self._build.session.folder(folder_name(self._context), names, ()) as found:
                return await asyncio.to_thread(_read_all, found.path, names)
        except NotFound:
            if self._context == self._build.request.context:
                return {}
            raise


def _read_all(folder: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    read = ((name, _read_one(folder, name)) for name in names)
    return {name: data for name, data in read if data is not None}


def _read_one(folder: Path, name: str) -> bytes | None:
    """None where there is none. Links do not lead out of the folder; nothing but a file is read."""
    try:
        descriptor = open_in_root(folder, name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InvalidArgument(f"failed to read {name}: {os.strerror(error.errno or 0).lower()}") from error
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InvalidArgument(f"failed to read {name}: it is no regular file")
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise InvalidArgument(f"failed to read {name}: it is larger than {_LARGEST} bytes")
    return data
