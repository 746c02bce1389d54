"""Blobs as files of an OCI image layout: ``blobs/sha256/<hex>``, with ``ingest/<key>`` for what is half-made."""

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

from pier.content.store import ONCE, BlobInfo, Ingest
from pier.errors import Conflict, DataCorrupted, InvalidArgument, NotFound
from pier.linux.files import atomic_write, disk_errors
from pier.linux.trash import Trash
from pier.log import trace
from pier.oci.digest import PREFIX, Digest, hex_of, parse_digest, sha256

_LAYOUT: Final = b'{"imageLayoutVersion":"1.0.0"}'
_INDEX: Final = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
_PIECE: Final = 1 << 20


class LocalContentStore:
    """Implements :class:`pier.content.store.ContentStore` in the folder ``root``."""

    def __init__(self, root: Path) -> None:
        self._index = root / "index.json"
        self._blobs = root / "blobs" / "sha256"
        self._ingests = root / "ingest"
        trash = root / ".trash"
        self._open: set[str] = set()
        self._lock = threading.Lock()
        for folder in (self._blobs, self._ingests, trash):
            folder.mkdir(mode=0o710, parents=True, exist_ok=True)
        for name, text in (("oci-layout", _LAYOUT), ("index.json", _INDEX)):
            if not (root / name).exists():
                atomic_write(root / name, text, 0o644)
        self._trash = Trash(trash)
        self._trash.empty()
        for path in self._ingests.glob(f"{ONCE}*"):
            path.unlink(missing_ok=True)

    def open_ingest(self, key: str, *, resume: bool = False) -> Ingest:
        path = self._ingests / _file_name(key)
        with self._lock:
            if key in self._open:
                raise Conflict(f"content {key} is being written already")
            self._open.add(key)
        try:
            return _Ingest(self, key, path, resume)
        except BaseException:
            self.release(key)
            raise

    def release(self, key: str) -> None:
        """Let ``key`` be opened again; for the ingest."""
        with self._lock:
            self._open.discard(key)

    def set_index(self, data: bytes) -> None:
        with disk_errors():
            atomic_write(self._index, data, 0o644)

    def put(self, data: bytes) -> Digest:
        digest = sha256(data)
        if not self.exists(digest):
            with disk_errors():
                atomic_write(self.path(digest), data, 0o644, durable=True)
        return digest

    def read(self, digest: Digest) -> bytes:
        with self.open(digest) as file:
            data = file.read()
        found = sha256(data)
        if found != digest:
            raise DataCorrupted(f"content {digest} is damaged: its digest is {found}")
        return data

    def open(self, digest: Digest) -> BinaryIO:
        try:
            return open(self.path(digest), "rb")
        except FileNotFoundError as error:
            raise NotFound(f"content {digest}: not found") from error

    def path(self, digest: Digest) -> Path:
        return self._blobs / hex_of(digest)

    def info(self, digest: Digest) -> BlobInfo:
        try:
            status = os.stat(self.path(digest))
        except FileNotFoundError as error:
            raise NotFound(f"content {digest}: not found") from error
        return BlobInfo(digest, status.st_size, status.st_mtime_ns)

    def exists(self, digest: Digest) -> bool:
        return self.path(digest).exists()

    def delete(self, digest: Digest) -> None:
        self._trash.take(self.path(digest))

    def walk(self) -> Iterator[BlobInfo]:
        with os.scandir(self._blobs) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    status = entry.stat()
                    yield BlobInfo(Digest(PREFIX + entry.name), status.st_size, status.st_mtime_ns)

    def drop_ingests(self, older_than_ns: int) -> None:
        with self._lock:
            busy = set(map(_file_name, self._open))
            for path in self._ingests.iterdir():
                if path.name not in busy and path.stat().st_mtime_ns < older_than_ns:
                    self._trash.take(path)

    def close(self) -> None:
        self._trash.close()


class _Ingest:
    """Implements :class:`pier.content.store.Ingest`."""

    def __init__(self, store: LocalContentStore, key: str, path: Path, resume: bool) -> None:
        self._store = store
        self._key = key
        self._path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (0 if resume else os.O_TRUNC)
        self._descriptor = os.open(path, flags, 0o644)
        self._sha = hashlib.sha256()
        self._hashed = 0
        self._offset = os.lseek(self._descriptor, 0, os.SEEK_END)

    @property
    def offset(self) -> int:
        return self._offset

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: bytes) -> None:
        self._catch_up()
        view = memoryview(data)
        with disk_errors():
            while view:
                view = view[os.write(self._descriptor, view) :]
        self._sha.update(data)
        self._offset += len(data)
        self._hashed = self._offset

    def _catch_up(self) -> None:
        """Hash what a resumed ingest holds already."""
        while self._hashed < self._offset:
            piece = os.pread(self._descriptor, min(_PIECE, self._offset - self._hashed), self._hashed)
            if not piece:
                raise DataCorrupted(f"content {self._key} became shorter while it was written")
            self._sha.update(piece)
            self._hashed += len(piece)

    def commit(self, expected: Digest | None = None) -> Digest:
        self._catch_up()
        digest = Digest(PREFIX + self._sha.hexdigest())
        if expected is not None and digest != expected:
            self.abort()
            raise DataCorrupted(f"unexpected commit digest {digest}, expected {expected}")
        self._finish(digest)
        return digest

    def adopt(self, digest: Digest, size: int) -> None:
        found = os.fstat(self._descriptor).st_size
        if found != size:
            self.abort()
            raise DataCorrupted(f"content {digest} has {found} bytes, expected {size}")
        self._finish(digest)

    def _finish(self, digest: Digest) -> None:
        trace("content:written")
        if self._store.exists(digest):
            os.unlink(self._path)
        else:
            os.utime(self._descriptor)
            os.rename(self._path, self._store.path(digest))
        trace("content:committed")
        self.close()

    def abort(self) -> None:
        if self._descriptor >= 0:
            self._path.unlink(missing_ok=True)
            self.close()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._store.release(self._key)

    def __enter__(self) -> "_Ingest":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _file_name(key: str) -> str:
    """``key`` as a file name: a digest is itself without the colon; nothing else may hold a slash or a dot first."""
    try:
        return hex_of(parse_digest(key))
    except InvalidArgument:
        if not key or "/" in key or "\0" in key or key.startswith(".") or len(key) > 200:
            raise
        return key
