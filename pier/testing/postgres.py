"""A PostgreSQL server for tests: Debian's, in a folder of its own, on a unix socket alone.

with postgres() as server:
    psycopg.connect(server.url)
    server.stop(); server.start()       # as a machine that went down and came back
    server.freeze(); server.thaw()      # as one that is there, takes all, and says nothing for a while
"""

import atexit
import functools
import os
import pwd
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pier.linux import process
from pier.linux.process import Child

_PATIENCE: Final = 60.0
_USER: Final = "postgres"
_SETTINGS: Final = """
listen_addresses = ''
unix_socket_directories = '{folder}'
fsync = off
max_connections = 60
"""


class Server:
    """``url`` is for clients of this machine; the database is empty at first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._child: Child | None = None
        self.url = f"postgresql:///postgres?host={folder}&user={_USER}"
        copied = process.run_sync(["cp", "-a", str(_fresh()), str(self._data)])
        assert copied.returncode == 0, copied.stderr.decode()
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS.format(folder=folder))

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            argv = ["runuser", "-u", _USER, "--", _program("postgres"), "-D", str(self._data)]
            self._child = process.spawn_sync(argv, stdout=log, stderr=log, new_session=True)
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.02)

    def _answers(self) -> bool:
        argv = [_program("pg_isready"), "-q", "-h", str(self._folder), "-U", _USER]
        return process.run_sync(argv).returncode == 0

    def stop(self) -> None:
        """At once, with every connection cut; what was committed is there after the next start."""
        child, self._child = self._child, None
        if child is not None:
            first = (self._data / "postmaster.pid").read_text().split("\n")[0]
            os.kill(int(first), signal.SIGQUIT)
            child.wait_sync(_PATIENCE)

    def freeze(self) -> None:
        """All its processes: the kernel goes on taking connections and what is sent on them."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)
        if self._child is not None:
            self._child.send_signal(signal.SIGCONT)  # runuser stops itself along with what it runs

    def _signal(self, number: signal.Signals) -> None:
        first = (self._data / "postmaster.pid").read_text().split("\n")[0]
        os.kill(int(first), number)  # before the others, so that it begins no more of them
        for child in Path(f"/proc/{first}/task/{first}/children").read_text().split():
            os.kill(int(child), number)


@functools.cache
def _fresh() -> Path:
    """What a server begins with, made once a process: a copy takes a tenth of the time."""
    folder = _own_folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    words = ["-D", str(folder / "data"), "-A", "trust", "-U", _USER, "--no-sync", "-E", "UTF8"]
    done = process.run_sync(["runuser", "-u", _USER, "--", _program("initdb"), *words], cwd="/")
    assert done.returncode == 0, done.stderr.decode()
    return folder / "data"


def _own_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="pier-postgres.", dir="/var/tmp"))
    account = pwd.getpwnam(_USER)
    os.chown(folder, account.pw_uid, account.pw_gid)
    return folder


def _program(name: str) -> str:
    """Debian keeps the server's programs of each version in a folder of their own."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}")) or [Path(shutil.which(name) or name)]
    return str(found[-1])


@contextmanager
def postgres() -> Iterator[Server]:
    """Run one as the user that its package made."""
    folder = _own_folder()
    server = Server(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
