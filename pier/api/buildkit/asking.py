"""Answering what a client asks of a Dockerfile: it is read through the session, and nothing is built."""

import asyncio
import os
from typing import Final

from pier.api.buildkit import subrequests
from pier.build.dockerfile import parse
from pier.build.dockerfile.ast import Dockerfile
from pier.build.dockerfile.lint import lint
from pier.build.request import BuildRequest
from pier.build.session import Folder, Session
from pier.errors import InvalidArgument, Unsupported
from pier.linux.files import open_in_root

REQUEST: Final = "requestid"
_LOCAL: Final = "local:"
_LARGEST: Final = 16 << 20


async def answer(session: Session, request: BuildRequest, asked: str) -> subrequests.Answer:
    """Raises Unsupported in BuildKit's words for what cannot be asked."""
    subrequests.check_known(asked)
    if asked == subrequests.DESCRIBE:
        return subrequests.describe()
    dockerfile = await _read(session, request)
    if asked == subrequests.TARGETS:
        return subrequests.targets(dockerfile)
    if asked == subrequests.OUTLINE:
        return subrequests.outline(dockerfile, request.target)
    return subrequests.lint(dockerfile, lint(dockerfile))


async def _read(session: Session, request: BuildRequest) -> Dockerfile:
    where = request.dockerfile_context or request.context
    if not where.startswith(_LOCAL):
        raise Unsupported("a Dockerfile can be asked about only where it lies in a folder of the client's")
    files: dict[str, bytes] = {}
    wanted = request.dockerfile
    while True:
        async with session.folder(where.removeprefix(_LOCAL), (*files, wanted), ()) as folder:
            files[wanted] = await asyncio.to_thread(_content, folder, wanted)
        try:
            return parse.parse(files, request.dockerfile)
        except parse.MissingInclude as missing:
            wanted = missing.path


def _content(folder: Folder, name: str) -> bytes:
    try:
        file = open_in_root(folder.path, name)
    except OSError as error:
        raise InvalidArgument(f"failed to read dockerfile: open {name}: no such file or directory") from error
    with os.fdopen(file, "rb") as opened:
        return opened.read(_LARGEST)
