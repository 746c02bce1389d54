"""ADD of a URL, and contexts by URL: one file, asked for anew in each build, and fetched where it has changed."""

import hashlib
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from pier.build.cache import CacheRecord
from pier.build.caching.inuse import in_use
from pier.build.context.fetch import Answer, Patience, answer_to, shown
from pier.build.context.files import Files
from pier.build.context.kept import HTTP, draft_in, keep, lock_of, new_record, used_again
from pier.build.deps import Build, Deps
from pier.build.graph import HttpSource, Vertex
from pier.build.ops.op import Result
from pier.build.progress import StatusState
from pier.build.session import Folder
from pier.build.threads import in_thread
from pier.errors import DataCorrupted, InvalidArgument

_FILES: Final = "files"
_ABOUT: Final = "about.json"
_MODE: Final = 0o600
_BATCH: Final = 1 << 20
_TELLING: Final = 200_000_000
_SETTLED: Final = 2


class About(msgspec.Struct, frozen=True):
    """What is known of a fetched file. ``modified``: Last-Modified as it came, empty where it proves nothing.

    ``mtime``: seconds since 1970.
    """

    digest: str
    size: int
    mtime: int
    etag: str = ""
    modified: str = ""


class _Kept(msgspec.Struct, frozen=True):
    key: str
    path: str
    about: About


async def key(build: Build, vertex: Vertex, inputs: Sequence[Result]) -> str:
    """Of the URL; what a step reads of it is in the step's own key."""
    return vertex.id


async def execute(build: Build, vertex: Vertex, inputs: Sequence[Result], *, patience: Patience | None = None) -> Files:
    """A folder with the file ``op.name``: mode 0600, and the time that the server tells, else 1970.

    Raises DataCorrupted (``digest mismatch``), InvalidArgument (``invalid response status 404``), Unavailable,
    DeadlineExceeded, NoSpace.
    """
    op, deps = vertex.op, build.deps
    assert isinstance(op, HttpSource)
    with ExitStack() as stack:
        async with lock_of(deps, f"{HTTP} {op.url}"):
            known = _known(deps, op)
            for each in known:
                stack.enter_context(in_use(deps, each.key))
            found = _promised(op, known) or await _ask(build, vertex, op, known, patience or Patience(), stack)
        build.lasting.enter_context(in_use(deps, found.key))
    if op.checksum and found.about.digest != op.checksum:
        raise DataCorrupted(f"digest mismatch {found.about.digest}: {op.checksum}")
    return Files(Folder(deps.root / found.path / _FILES, ""), immutable=f"{HTTP}:{found.about.digest}:{op.name}")


def _promised(op: HttpSource, known: Sequence[_Kept]) -> _Kept | None:
    """With a checksum nobody need be asked."""
    return next((each for each in known if op.checksum and each.about.digest == op.checksum), None)


async def _ask(
    build: Build, vertex: Vertex, op: HttpSource, known: Sequence[_Kept], patience: Patience, stack: ExitStack
) -> _Kept:
    deps = build.deps
    etags = ", ".join(each.about.etag for each in known if each.about.etag)
    headers = {"If-None-Match": etags} if etags else {}
    async with answer_to(op.url, headers, deps.registries.settings, patience) as answer:
        same = _same(answer, known)
        if same is not None:
            used_again(deps, _record(op, same))
            return same
        return await _fetch(build, vertex, op, answer, stack)


def _same(answer: Answer, known: Sequence[_Kept]) -> _Kept | None:
    """The one that the answer means, or would bring again. ``known``: the last used first."""
    etag, modified = answer.header("ETag"), answer.header("Last-Modified")
    if answer.status == 304:
        tagged = [each for each in known if each.about.etag]
        found = next((each for each in tagged if each.about.etag == etag), tagged[0] if len(tagged) == 1 else None)
        if found is None:
            raise DataCorrupted("invalid response status 304")
        return found
    if etag:
        return next((each for each in known if each.about.etag == etag), None)
    told = [each for each in known if modified and not each.about.etag and each.about.modified == modified]
    return next((each for each in told if each.about.size == answer.length), None)


async def _fetch(build: Build, vertex: Vertex, op: HttpSource, answer: Answer, stack: ExitStack) -> _Kept:
    deps = build.deps
    async with draft_in(deps, HTTP) as draft:
        (draft / _FILES).mkdir(mode=0o755)
        status = _Status(build, vertex, answer.length or 0)
        digest, size = await _write(_place(draft, op), answer, status)
        about = _about(answer, digest, size)
        os.utime(draft / _FILES / op.name, (about.mtime, about.mtime))
        (draft / _ABOUT).write_bytes(msgspec.json.encode(about))
        made = _named(op, about)
        stack.enter_context(in_use(deps, made.key))
        keep(deps, draft, _record(op, made))
        return made


def _place(draft: Path, op: HttpSource) -> Path:
    name = op.name
    if not name or name in (".", "..") or "/" in name or "\0" in name or len(os.fsencode(name)) > 255:
        raise InvalidArgument(f"{shown(op.url)}: {name!r} is no name for a file")
    return draft / _FILES / name


async def _write(path: Path, answer: Answer, status: "_Status") -> tuple[str, int]:
    """The digest and size of what came."""
    hasher, size, batch = hashlib.sha256(), 0, bytearray()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, _MODE)

        def flush(data: bytes) -> None:
            _write_all(file, data)
            hasher.update(data)

        async for piece in answer.pieces():
            batch += piece
            size += len(piece)
            if len(batch) >= _BATCH:
                await in_thread(flush, bytes(batch))
                batch.clear()
                status.tell(size)
        await in_thread(flush, bytes(batch))
        status.tell(size, done=True)
    return "sha256:" + hasher.hexdigest(), size


def _write_all(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.flush()


def _about(answer: Answer, digest: str, size: int) -> About:
    modified = answer.header("Last-Modified")
    when = _date(modified)
    return About(
        digest=digest,
        size=size,
        mtime=int(when.timestamp()) if when else 0,
        etag=answer.header("ETag"),
        modified=modified if when and _settled(when, _date(answer.header("Date"))) else "",
    )


def _date(text: str) -> datetime | None:
    with suppress(ValueError, TypeError):
        return parsedate_to_datetime(text)
    return None


def _settled(modified: datetime, sent: datetime | None) -> bool:
    """Whether the file cannot have changed once more within the second that it tells (RFC 9110, 8.8.2.2)."""
    with suppress(TypeError):  # a time without a zone
        return sent is not None and (sent - modified).total_seconds() >= _SETTLED
    return False


def _known(deps: Deps, op: HttpSource) -> list[_Kept]:
    """What is on disk for this URL, the last used first."""
    found = []
    for folder in (deps.root / HTTP).glob(f"{_prefix(op)}-*"):
        with suppress(OSError, msgspec.DecodeError):
            found.append(_named(op, msgspec.json.decode((folder / _ABOUT).read_bytes(), type=About)))
    return sorted(found, key=lambda each: -_last_use(deps, each))


def _last_use(deps: Deps, kept: _Kept) -> int:
    record = deps.cache.get(kept.key)
    return record.used if record else 0


def _prefix(op: HttpSource) -> str:
    return hashlib.sha256(msgspec.json.encode((op.url, op.name))).hexdigest()[:32]


def _named(op: HttpSource, about: About) -> _Kept:
    hexdigest = hashlib.sha256(msgspec.json.encode((op.url, op.name, about))).hexdigest()
    return _Kept(f"sha256:{hexdigest}", f"{HTTP}/{_prefix(op)}-{hexdigest[:32]}", about)


def _record(op: HttpSource, kept: _Kept) -> CacheRecord:
    return new_record(kept.key, "source.http", f"http url {shown(op.url)}", kept.path, kept.about.size)


class _Status:
    """How far the transfer is, told a few times a second."""

    def __init__(self, build: Build, vertex: Vertex, total: int) -> None:
        self._build = build
        self._vertex = vertex
        self._total = total
        self._started = self._told = time.time_ns()

    def tell(self, size: int, *, done: bool = False) -> None:
        now = time.time_ns()
        if not done and now - self._told < _TELLING:
            return
        self._told = now
        self._build.progress(
            StatusState(
                self._vertex.id,
                "downloading",
                "downloading",
                current=size,
                total=self._total or (size if done else 0),
                started=self._started,
                completed=now if done else 0,
            )
        )
