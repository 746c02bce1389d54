"""``RUN --mount``: what a step sees besides its root file system, made ready on the host while it runs."""

import errno
import os
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pier.build.context.contents import reading
from pier.build.context.files import Files
from pier.build.deps import Build
from pier.build.graph import Exec
from pier.build.graph import Mount as Wanted
from pier.build.ops.op import Result
from pier.build.steps.cachemounts import cache_folder
from pier.build.steps.hiding import hide
from pier.build.steps.seeding import copy_tree
from pier.build.threads import in_thread
from pier.build.worktree import Worktree
from pier.errors import InvalidArgument, NotFound
from pier.linux.files import open_in_root
from pier.linux.mount import Mount, mount, unmount_below
from pier.runtime.plan import SpecMount

_SECRET_MODE: Final = 0o400
_SSH_MODE: Final = 0o600
_PRIVATE: Final = ("bind", "rprivate", "ro", "nosuid", "nodev", "noexec")


@dataclass(slots=True)
class Mounted:
    """``folders``: the targets that are folders; the others are files. ``env``: ``NAME=value`` of secrets."""

    mounts: list[SpecMount] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)
    env: list[str] = field(default_factory=list)


@asynccontextmanager
async def step_mounts(build: Build, op: Exec, inputs: Sequence[Result], tree: Worktree) -> AsyncIterator[Mounted]:
    """Everything that ``op.mounts`` and ``op.files`` ask for, until the block ends.

    Raises NotFound for a source or a required secret that is not there.
    """
    async with AsyncExitStack() as stack:
        made = _Maker(build, op, inputs, tree, stack)
        for each in sorted(op.mounts, key=lambda each: (each.type != "cache", each.id if each.type == "cache" else "")):
            await made.add(each)
        if op.files:
            await in_thread(made.add_files)
        yield made.mounted


class _Maker:
    def __init__(self, build: Build, op: Exec, inputs: Sequence[Result], tree: Worktree, stack: AsyncExitStack) -> None:
        self._build = build
        self._op = op
        self._inputs = inputs
        self._tree = tree
        self._stack = stack
        self._caches: dict[str, Path] = {}
        self._secrets: Path | None = None
        self._count = 0
        self.mounted = Mounted()

    async def add(self, wanted: Wanted) -> None:
        makers = {
            "bind": self._bind,
            "cache": self._cache,
            "tmpfs": self._tmpfs,
            "secret": self._secret,
            "ssh": self._ssh,
        }
        await makers[wanted.type](wanted)

    def _place(self) -> Path:
        self._count += 1
        return self._tree.folder / f"mount{self._count}"

    def _show(self, source: Path, wanted: Wanted, *options: str) -> None:
        access = () if set(options) & {"ro", "rw"} else ("ro" if wanted.read_only else "rw",)
        self.mounted.mounts.append(SpecMount("bind", str(source), wanted.target, (*options, *access)))
        if source.is_dir():
            self.mounted.folders.add(wanted.target)

    async def _bind(self, wanted: Wanted) -> None:
        assert wanted.input is not None, "a bind mount has an input"
        root = await self._stack.enter_async_context(reading(self._build, self._inputs[wanted.input]))
        root = await self._mountable(root)
        excluded = _excluded(self._inputs[wanted.input])
        if excluded or not wanted.read_only:
            root = await self._scratched(root, excluded)
        place = self._place()
        await in_thread(_show_at, root, wanted.source, place)
        self._show(place, wanted, "rbind", "rprivate")

    async def _mountable(self, root: Path) -> Path:
        """``root``, or a copy: the folder of a client in a container is in a mount namespace that is not ours."""
        place = self._place()
        try:
            await in_thread(_show_at, root, "/", place)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return await self._copied(root)
        return place

    async def _copied(self, root: Path) -> Path:
        writer = self._build.deps.snapshots.begin_layer()
        self._stack.callback(writer.abort)
        await copy_tree(self._build.deps.images.tmp, root, writer.root)
        return writer.root

    async def _scratched(self, lower: Path, excluded: tuple[str, ...]) -> Path:
        """``lower`` with a folder on top of it that hides ``excluded``, takes what is written, and is thrown away."""
        merged = self._place()
        writer = self._build.deps.snapshots.begin_layer()
        self._stack.callback(writer.abort)
        self._stack.callback(unmount_below, merged)

        def make() -> None:
            work = writer.side / "work"
            work.mkdir(mode=0o700)
            merged.mkdir(mode=0o700)
            hide(lower, writer.root, excluded)
            options = (f"lowerdir={lower}", f"upperdir={writer.root}", f"workdir={work}", "index=off", "metacopy=off")
            mount(Mount("overlay", "overlay", merged, (*options, "redirect_dir=off", "volatile")))

        await in_thread(make)
        return merged

    async def _cache(self, wanted: Wanted) -> None:
        if wanted.id not in self._caches:
            text = f'cached mount {wanted.target} from exec {" ".join(self._op.args)} with id "{wanted.id}"'
            using = cache_folder(self._build, wanted, text, lambda folder: self._seed(wanted, folder))
            self._caches[wanted.id] = await self._stack.enter_async_context(using)
        self._show(self._caches[wanted.id], wanted, "bind", "rprivate")

    async def _seed(self, wanted: Wanted, folder: Path) -> None:
        if wanted.input is None:
            return
        async with reading(self._build, self._inputs[wanted.input]) as root:
            found = await in_thread(_open, root, wanted.source, os.O_DIRECTORY)
            try:
                await copy_tree(self._build.deps.images.tmp, Path(f"/proc/self/fd/{found}"), folder)
            finally:
                os.close(found)

    async def _tmpfs(self, wanted: Wanted) -> None:
        size = (f"size={wanted.size}",) if wanted.size else ()
        access = ("ro",) if wanted.read_only else ()
        self.mounted.mounts.append(SpecMount("tmpfs", "tmpfs", wanted.target, ("nosuid", *size, *access)))
        self.mounted.folders.add(wanted.target)

    async def _secret(self, wanted: Wanted) -> None:
        data = await self._build.session.secret(wanted.id)
        if data is None:
            if wanted.required:
                raise NotFound(f"secret {wanted.id}: not found")
            return
        if wanted.env:
            self.mounted.env.append(f"{wanted.env}={data.decode(errors='replace')}")
        if wanted.target:
            self._show(await in_thread(self._write_secret, data, wanted), wanted, *_PRIVATE)

    def _write_secret(self, data: bytes, wanted: Wanted) -> Path:
        """In memory only."""
        if self._secrets is None:
            self._secrets = self._memory("secrets")
        self._count += 1
        path = self._secrets / str(self._count)
        _write(path, data, _SECRET_MODE if wanted.mode < 0 else wanted.mode, wanted.uid, wanted.gid)
        return path

    def _memory(self, name: str) -> Path:
        folder = self._tree.folder / name
        folder.mkdir(mode=0o700)
        mount(Mount("tmpfs", "tmpfs", folder, ("nosuid", "nodev", "noexec", "mode=0700")))
        return folder

    async def _ssh(self, wanted: Wanted) -> None:
        try:
            socket = await self._stack.enter_async_context(self._build.session.ssh(wanted.id))
        except NotFound as error:
            if wanted.required:
                raise InvalidArgument(f"unset ssh forward key {wanted.id}") from error
            return
        os.chmod(socket, _SSH_MODE if wanted.mode < 0 else wanted.mode)
        os.chown(socket, wanted.uid, wanted.gid)
        self._show(socket, wanted, *_PRIVATE)

    def add_files(self) -> None:
        folder = self._memory("files")
        for number, each in enumerate(self._op.files):
            path = folder / str(number)
            _write(path, each.content.encode(errors="surrogateescape"), 0o755, 0, 0)
            self.mounted.mounts.append(SpecMount("bind", str(path), each.target, ("bind", "rprivate", "ro")))


def _excluded(source: Result) -> tuple[str, ...]:
    """What a step must not see, though it is there: a client's own folder has what its .dockerignore names."""
    return source.exclude if isinstance(source, Files) and source.folder.in_place else ()


def _show_at(root: Path, source: str, place: Path) -> None:
    """Bind what ``source`` is below ``root``, links followed inside it, at ``place``, which is made."""
    found = _open(root, source)
    try:
        if stat.S_ISDIR(os.fstat(found).st_mode):
            place.mkdir(mode=0o700)
        else:
            place.touch(mode=0o600)
        mount(Mount("bind", f"/proc/self/fd/{found}", place, ("bind",)))
    finally:
        os.close(found)


def _open(root: Path, source: str, flags: int = 0) -> int:
    try:
        return open_in_root(root, source, os.O_PATH | flags)
    except OSError as error:
        raise NotFound(f'"{source}": not found') from error


def _write(path: Path, data: bytes, mode: int, uid: int, gid: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, mode)
