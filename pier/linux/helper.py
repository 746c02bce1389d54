"""Helper processes that work on trees of strangers behind chroot(2): unpack a tar, make one.

A helper is a Python of its own (``-I -S``: some 20 ms to start), given descriptors only. Data flows through
pipes without blocking the loop; a helper that fails says why in its report, which becomes the error raised.
"""

import asyncio
import errno
import fcntl
import importlib.util
import json
import marshal
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

from pier import errors
from pier.linux.process import Child, contents, spawn
from pier.linux.transfer import Group

_PIPE_SIZE: Final = 1 << 20
_CHUNK: Final = 256 * 1024
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_ARCHIVES_FAULT: Final = (
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENOENT,
    errno.ELOOP,
    errno.EFBIG,
    errno.EINVAL,
    errno.EPERM,
    errno.EMLINK,
    errno.EXDEV,
)


class Helper:
    """A running helper. Feed it with ``write`` and ``close_input``, or read its output; then ``finish``."""

    def __init__(self, child: Child, report: int, messages: int, pipe: int) -> None:
        self._child = child
        self._report = report
        self._messages = messages
        self._pipe = pipe

    async def write(self, data: bytes | memoryview) -> None:
        """Hand on ``data``, waiting while the pipe is full. BrokenPipeError: the helper has ended; see ``finish``."""
        await _write(self._pipe, data)

    def close_input(self) -> None:
        """No more data comes. Idempotent."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    async def output(self) -> AsyncGenerator[bytes, None]:
        """What the helper writes, to its end."""
        while True:
            try:
                data = os.read(self._pipe, _CHUNK)
            except BlockingIOError:
                await _readable(self._pipe)
                continue
            if not data:
                return
            yield data

    async def finish(self) -> dict[str, Any]:
        """Wait for the end and return the report.

        Raises DataCorrupted for what is wrong with the data, NoSpace for a full disk, Internal for a crash.
        """
        self.close_input()
        try:
            returncode = await self._child.wait()
            report = contents(self._report)
            messages = contents(self._messages).decode(errors="replace")
        finally:
            self._close()
        if returncode or not report:
            raise errors.Internal(f"helper process ended with {returncode}: {messages.strip()[-500:]}")
        return _checked(json.loads(report))

    async def kill(self) -> None:
        """End it at once, and reap it. Idempotent, and after ``finish`` without effect."""
        if self._report < 0:
            return
        self._child.send_signal(signal.SIGKILL)
        self.close_input()
        await asyncio.shield(self._child.wait())
        self._close()

    def _close(self) -> None:
        if self._report >= 0:
            os.close(self._report)
            os.close(self._messages)
            self._report = self._messages = -1


def _checked(report: dict[str, Any]) -> dict[str, Any]:
    kind, message = report.get("error"), report.get("message", "")
    if kind is None:
        return report
    if kind == "OSError":
        if report["errno"] in _FULL:
            raise errors.NoSpace(message.replace(os.strerror(report["errno"]), "no space left on device"))
        raise (errors.DataCorrupted if report["errno"] in _ARCHIVES_FAULT else errors.Internal)(message)
    raise getattr(errors, kind)(message)


async def start_unpack(
    root: Path,
    *,
    skeleton: int | None,
    replaced: int,
    keep: int | None = None,
    hashed: bool = True,
    whiteouts: bool = True,
) -> Helper:
    """Unpack the (perhaps compressed) tar that is written to the helper into the folder ``root``.

    ``skeleton``: descriptor of an empty file for the skeleton; ``replaced``: of the folder for what later
    entries replace; ``keep``: of the file that the blob's bytes are kept in, whose present bytes are read first;
    ``hashed``: whether the blob's own digest is wanted beside that of the tar in it.
    Report: ``diff_id``, ``tar_size``, ``size`` (of the files), ``blob_digest``, ``blob_size``.
    """
    task = {"task": "unpack", "replaced": replaced, "hashed": hashed, "whiteouts": whiteouts}
    if skeleton is not None:
        task["skeleton"] = skeleton
    if keep is not None:
        task["keep"] = keep
    return await start(task, root, [fd for fd in (skeleton, replaced, keep) if fd is not None], feeding=True)


async def start_land(root: Path) -> Helper:
    """Unpack the (perhaps compressed) tar that is written to the helper over what is in the folder ``root``.

    The report is empty.
    """
    return await start({"task": "land"}, root, [], feeding=True)


async def start_regenerate(root: Path, *, skeleton: int, replaced: int) -> Helper:
    """Write the exact tar of the layer in ``root``. Report: ``diff_id``, ``tar_size``."""
    task = {"task": "regenerate", "skeleton": skeleton, "replaced": replaced}
    return await start(task, root, [skeleton, replaced], feeding=False)


async def start_pack(root: Path, *, whiteouts: bool, with_root: bool = False) -> Helper:
    """Write a new tar of the folder ``root``; ``whiteouts``: of an overlay's upper folder. Report as above."""
    return await start({"task": "pack", "whiteouts": whiteouts, "with_root": with_root}, root, [], feeding=False)


async def start_seal(root: Path, *, skeleton: int) -> Helper:
    """Find what tar the overlay's upper folder ``root`` makes, without writing it, and write its skeleton.

    Report: ``diff_id``, ``tar_size``, ``size`` (of the files).
    """
    return await start({"task": "seal", "skeleton": skeleton}, root, [skeleton], feeding=False)


async def start_transfer(source: int, target: int, groups: list[Group], *, xattrs: str) -> Helper:
    """Copy files between two trees: see :mod:`pier.linux.transfer`. The report is empty."""
    plan = os.memfd_create("plan")
    try:
        _write_plan(plan, groups)
        task = {"task": "transfer", "from": source, "to": target, "plan": plan, "xattrs": xattrs}
        return await start(task, None, [source, target, plan], feeding=False)
    finally:
        os.close(plan)


def _write_plan(plan: int, groups: list[Group]) -> None:
    with open(plan, "wb", closefd=False) as file:
        marshal.dump(groups, file)
    os.lseek(plan, 0, os.SEEK_SET)


async def inflate(source: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """``source`` without its compression (gzip, zstd, xz, bzip2, none), done by another process.

    Raises DataCorrupted for what cannot be decompressed; whatever ``source`` raises.
    """
    running, pipe = await _start_filter()
    feeding = asyncio.create_task(_feed(source, pipe))
    try:
        async for data in running.output():
            yield data
        await running.finish()
        await feeding
    finally:
        feeding.cancel()
        await asyncio.wait([feeding])
        await running.kill()


async def _start_filter() -> tuple[Helper, int]:
    """A helper that reads one pipe and writes another, and our end of the first."""
    readable, writable = _pipe()
    try:
        os.set_blocking(writable, False)
        return await start({"task": "inflate"}, None, [], feeding=False, stdin=readable), writable
    except BaseException:
        os.close(writable)
        raise
    finally:
        os.close(readable)


async def _feed(source: AsyncIterator[bytes], pipe: int) -> None:
    """Write all of ``source``; a reader that has ended has its reasons."""
    try:
        async for data in source:
            await _write(pipe, data)
    except BrokenPipeError:
        return
    finally:
        os.close(pipe)


async def _write(pipe: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(pipe, view) :]
        except BlockingIOError:
            await _writable(pipe)


def _pipe() -> tuple[int, int]:
    readable, writable = os.pipe2(os.O_CLOEXEC)
    with suppress(PermissionError):  # pipe(7): where the user has too many large pipes, a small one does
        fcntl.fcntl(writable, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
    return readable, writable


async def start(
    task: Mapping[str, Any], root: Path | None, descriptors: list[int], *, feeding: bool, stdin: int | None = None
) -> Helper:
    """Start the helper for ``task`` on the folder ``root``; ``descriptors`` are inherited.

    ``feeding``: the caller writes to it; else the caller reads its output, and its input is ``stdin``.
    """
    with ExitStack() as stack:
        inherited = list(descriptors)
        if root is not None:
            folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, folder)
            inherited.append(folder)
            task = {**task, "root": folder}
        readable, writable = _pipe()
        theirs, ours = (readable, writable) if feeding else (writable, readable)
        stack.callback(os.close, theirs)
        with ExitStack() as undo:
            undo.callback(os.close, ours)
            os.set_blocking(ours, False)
            report, messages = os.memfd_create("report"), os.memfd_create("messages")
            undo.callback(os.close, report)
            undo.callback(os.close, messages)
            whole = json.dumps({**task, "report": report, **_paths()})
            child = await spawn(
                [sys.executable, "-I", "-S", os.fspath(_program()), whole],
                stdin=theirs if feeding else stdin,
                stdout=None if feeding else theirs,
                stderr=messages,
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
                pass_fds=[report, *inherited],
            )
            undo.pop_all()
    return Helper(child, report, messages, ours)


@cache
def _paths() -> dict[str, Any]:
    """Where the helper finds this package, and the libraries that inflate."""
    source = Path(__file__).resolve().parents[2]
    found = [importlib.util.find_spec(name) for name in ("isal", "zstandard")]
    folders = {os.path.dirname(os.path.dirname(spec.origin)) for spec in found if spec and spec.origin}
    return {"source": os.fspath(source), "libraries": sorted(folders)}


def _program() -> Path:
    return Path(__file__).with_name("helper_main.py")


async def _writable(descriptor: int) -> None:
    await _ready(descriptor, write=True)


async def _readable(descriptor: int) -> None:
    await _ready(descriptor, write=False)


async def _ready(descriptor: int, *, write: bool) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    (loop.add_writer if write else loop.add_reader)(descriptor, wake)
    try:
        await ready
    finally:
        (loop.remove_writer if write else loop.remove_reader)(descriptor)
