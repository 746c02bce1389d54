"""Writing files beside the thread that parses and hashes: most of an unpack is the kernel's work in write(2).

A file that fits into one piece is made by a worker as a whole. Of a larger one the caller makes the file and
workers write its pieces. The order of what is done to one path is kept by the caller, with ``drain``.
"""

import os
import queue
import stat
import threading
from typing import Final

from pier.linux.helper_input import CHUNK
from pier.linux.helper_meta import set_xattr
from pier.linux.helper_tarheader import Header, printable

WORKERS: Final = min(4, max(2, os.cpu_count() or 2))
_QUEUED: Final = 48
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SUID: Final = stat.S_ISUID | stat.S_ISGID


class EntryError(OSError):
    """An OSError whose file name is that of the archive's entry, quoted."""

    @classmethod
    def of(cls, error: OSError, header: Header) -> "EntryError":
        return cls(error.errno, error.strerror, printable(header.name))


class Job:
    """A whole file, or with ``descriptor`` a piece of one. ``index`` counts the skeleton's FILE records before it."""

    def __init__(
        self, path: bytes, header: Header, data: bytes, index: int, descriptor: int = -1, offset: int = 0
    ) -> None:
        self.path = path
        self.header = header
        self.data = data
        self.index = index
        self.descriptor = descriptor
        self.offset = offset


class FileWriter:
    """Holds at most ``_QUEUED`` pieces. Errors of workers are raised by ``drain`` and by the next ``put``."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._slots: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._deferred: list[Job] = []
        self._failure: EntryError | None = None
        for _ in range(_QUEUED):
            self._slots.put(None)
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(WORKERS)]
        for thread in self._threads:
            thread.start()

    def put(self, job: Job) -> None:
        """Have ``job`` done, waiting while too many are."""
        self._slots.get()
        if self._failure is not None:
            raise self._failure
        self._jobs.put(job)

    def drain(self) -> list[Job]:
        """Wait until all is done; returns what could not be, because something was missing or in the way."""
        for _ in range(_QUEUED):
            self._slots.get()
        for _ in range(_QUEUED):
            self._slots.put(None)
        if self._failure is not None:
            raise self._failure
        deferred, self._deferred = self._deferred, []
        return sorted(deferred, key=lambda job: job.index)

    def close(self) -> None:
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                self._do(job)
            except OSError as error:
                self._failure = EntryError.of(error, job.header)
            finally:
                self._slots.put(None)

    def _do(self, job: Job) -> None:
        if job.descriptor >= 0:
            write_at(job.descriptor, job.data, job.offset)
            return
        try:
            make(job)
        except (FileNotFoundError, FileExistsError):
            self._deferred.append(job)


def make(job: Job) -> None:
    """The whole file of ``job``. FileNotFoundError: its folder is missing; FileExistsError: something is there."""
    descriptor = create(job.path, job.header)
    try:
        if job.data:
            write_at(descriptor, job.data, 0)
        finish(descriptor, job.header)
    finally:
        os.close(descriptor)


def create(path: bytes, header: Header) -> int:
    return os.open(path, _CREATE, header.mode)


def finish(descriptor: int, header: Header) -> None:
    """Owner, xattrs, mode and time, in this order: chown(2) takes suid and capabilities away."""
    os.fchown(descriptor, header.uid, header.gid)
    for name, value in header.xattrs.items():
        set_xattr(descriptor, name, value)
    if header.mode & _SUID:
        os.fchmod(descriptor, header.mode)
    os.utime(descriptor, ns=(header.mtime, header.mtime))


def write_at(descriptor: int, data: bytes, offset: int) -> None:
    written = os.pwrite(descriptor, data, offset)
    while written < len(data):
        written += os.pwrite(descriptor, memoryview(data)[written:], offset + written)


def fits(size: int) -> bool:
    return size <= CHUNK
