"""What a build asks of ``pier build``: questions over its connection, and folders that were handed over."""

import base64
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from pier.api.buildstream import shell, sshsocket
from pier.api.buildstream.link import Link
from pier.api.buildstream.offers import Hello, descriptor_path
from pier.build.deps import Deps
from pier.build.session import Folder
from pier.build.steps.errorshell import FailedStep
from pier.errors import InvalidArgument, NotFound
from pier.remote.settings import Credentials


class StreamSession:
    """A :class:`pier.build.session.Session`. ``descriptors`` are open for as long as the build runs."""

    def __init__(self, link: Link, deps: Deps, hello: Hello, descriptors: Sequence[int]) -> None:
        self._link = link
        self._deps = deps
        self._hello = hello
        self._descriptors = descriptors

    @asynccontextmanager
    async def folder(self, name: str, paths: tuple[str, ...], exclude: tuple[str, ...]) -> AsyncIterator[Folder]:
        offered = self._hello.folder(name)
        if offered is None:
            raise NotFound(f"the client has no folder {name}")
        if 0 <= offered.descriptor < len(self._descriptors):
            yield _in_place(self._descriptors[offered.descriptor])
            return
        from pier.api.buildstream import folders  # with protobuf and all: only where it is needed

        keep = not self._reads_ahead(name, paths)
        async with folders.streamed(self._link, self._deps, offered, paths, exclude, keep=keep) as folder:
            yield folder

    def _reads_ahead(self, name: str, paths: tuple[str, ...]) -> bool:
        """Whether it is only about the Dockerfile and what goes with it: a file or two, and not all of the folder."""
        return self._hello.request.dockerfile_context == f"local:{name}" or any(map(_is_ignore, paths))

    async def upload(self, name: str) -> AsyncIterator[bytes]:
        if name not in self._hello.uploads:
            raise NotFound(f"the client gives nothing under the name {name}")
        with self._link.open() as channel:
            await channel.ask("upload", name=name)
            async for data in channel.data():
                yield data

    async def secret(self, id: str) -> bytes | None:
        if id not in self._hello.secrets:
            return None
        answer = await self._ask("secret", id=id)
        try:
            return base64.b64decode(answer["data"], validate=True)
        except (TypeError, KeyError, ValueError) as error:
            raise InvalidArgument(f"the client gave no sound secret {id}") from error

    def ssh(self, id: str) -> AbstractAsyncContextManager[Path]:
        return sshsocket.forwarded(self._link, self._deps.run, id, id in self._hello.ssh)

    async def credentials(self, domain: str) -> Credentials | None:
        answer = await self._ask("credentials", domain=domain)
        return Credentials.from_auth_config(answer) if answer else None

    async def export_tar(self, output: int, chunks: AsyncIterator[bytes]) -> None:
        with self._link.open() as channel:
            await channel.ask("export", output=output)
            async for chunk in chunks:
                await channel.send(chunk)
            await channel.close()
            await channel.answer()

    async def failed_step(self, failed: FailedStep) -> None:
        """See :class:`pier.build.steps.errorshell.ShellSession`."""
        await shell.show(self._link, failed)

    async def _ask(self, what: str, **details: Any) -> Any:
        with self._link.open() as channel:
            await channel.ask(what, **details)
            return await channel.answer()


def _in_place(descriptor: int) -> Folder:
    found = os.fstat(descriptor)
    key = hashlib.sha256(f"in place {found.st_dev}:{found.st_ino}".encode()).hexdigest()
    return Folder(descriptor_path(os.getpid(), descriptor), key, in_place=True)


def _is_ignore(path: str) -> bool:
    return path.endswith(".dockerignore")
