"""Contexts that come as an archive, or as a lone Dockerfile: unpacked once, they are folders of the session."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from pier.build.context.files import Files
from pier.build.context.unpackfolder import unpack_folder
from pier.build.deps import Build
from pier.build.dockerfile.remotes import file_name, is_http
from pier.build.graph import HttpSource, Vertex, vertex_id
from pier.build.session import Folder
from pier.build.solving.performers import PERFORMERS
from pier.build.solving.told import Told, telling_failures
from pier.build.steps.errorshell import FailedStep, ShellSession
from pier.build.threads import in_thread
from pier.errors import Internal, InvalidArgument, NotFound
from pier.linux import trees
from pier.oci.platform import Platform
from pier.remote.settings import Credentials

_UPLOAD: Final = "upload:"
_COMPRESSED: Final = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")
_BLOCK: Final = 512
_CHUNK: Final = 1 << 20
_LARGEST: Final = 16 * 1024 * 1024


class Archives:
    """The client's session, with a folder for each ``upload:NAME`` and each URL. They go with ``build.lasting``."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._session = build.session
        self._places: dict[str, asyncio.Task[Folder]] = {}

    @asynccontextmanager
    async def folder(self, name: str, paths: tuple[str, ...], exclude: tuple[str, ...]) -> AsyncIterator[Folder]:
        if not (name.startswith(_UPLOAD) or is_http(name)):
            async with self._session.folder(name, paths, exclude) as folder:
                yield folder
            return
        if name not in self._places:
            place = Path(tempfile.mkdtemp(dir=self._build.deps.images.tmp, prefix="context-"))
            self._build.lasting.push_async_callback(in_thread, trees.remove_tree, place)
            self._places[name] = asyncio.ensure_future(self._unpacked(name, place))
            self._build.lasting.push_async_callback(_ended, self._places[name])
        yield await asyncio.shield(self._places[name])

    async def _unpacked(self, name: str, place: Path) -> Folder:
        if name.startswith(_UPLOAD):
            with suppress(NotFound):  # a client that has unpacked it already
                return await self._build.lasting.enter_async_context(self._session.folder(name, (), ()))
            chunks = self._session.upload(name.removeprefix(_UPLOAD))
        else:
            chunks = _pieces(await self._fetched(name))
        root = place / "context"
        for folder in (root, place / "replaced"):
            folder.mkdir(mode=0o755)
        await _fill(root, place / "replaced", chunks)
        return Folder(root, f"archive:{place.name}")

    async def _fetched(self, url: str) -> Path:
        op = HttpSource(url=url, name=file_name(url))
        vertex = Vertex(
            vertex_id(op, (), Platform()), op, (), f"[internal] load remote build context {url}", Platform()
        )
        told = Told(self._build.progress, vertex)
        with telling_failures(told, self._build.failed, vertex):
            told.started()
            files = await PERFORMERS[HttpSource].execute(self._build, vertex, ())
        told.completed()
        if not isinstance(files, Files):
            raise Internal(f"{url} gave no file")
        return files.folder.path / op.name

    def upload(self, name: str) -> AsyncIterator[bytes]:
        return self._session.upload(name)

    async def secret(self, id: str) -> bytes | None:
        return await self._session.secret(id)

    def ssh(self, id: str) -> AbstractAsyncContextManager[Path]:
        return self._session.ssh(id)

    async def credentials(self, domain: str) -> Credentials | None:
        return await self._session.credentials(domain)

    async def export_tar(self, output: int, chunks: AsyncIterator[bytes]) -> None:
        await self._session.export_tar(output, chunks)

    async def failed_step(self, failed: FailedStep) -> None:
        if isinstance(self._session, ShellSession):
            await self._session.failed_step(failed)


async def _ended(task: "asyncio.Task[Folder]") -> None:
    task.cancel()
    await asyncio.wait([task])


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while data := await in_thread(file.read, _CHUNK):
            yield data


async def _fill(root: Path, replaced: Path, chunks: AsyncIterator[bytes]) -> None:
    """Raises DataCorrupted for a broken archive, NoSpace, and what ``chunks`` raise."""
    head = b""
    async for chunk in chunks:
        head += chunk
        if len(head) >= _BLOCK:
            break
    if is_archive(head):
        await unpack_folder(root, replaced, _chained(head, chunks))
        return
    async for chunk in chunks:
        head += chunk
        if len(head) > _LARGEST:
            raise InvalidArgument("the context is neither an archive nor a Dockerfile: it is too large for one")
    await in_thread((root / "Dockerfile").write_bytes, head)


async def _chained(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for chunk in rest:
        yield chunk


def is_archive(head: bytes) -> bool:
    """Whether a file that begins so is a tar, compressed or not; its checksum tells one without a magic."""
    if head.startswith(_COMPRESSED):
        return True
    if len(head) < _BLOCK:
        return False
    if head[257:262] == b"ustar" or not any(head[:_BLOCK]):
        return True
    given = head[148:156].strip(b" \0")
    counted = sum(head[:148]) + 8 * ord(" ") + sum(head[156:_BLOCK])
    return bool(given) and all(digit in b"01234567" for digit in given) and int(given, 8) == counted
