"""Driving the real ``docker`` command from a test: one call, one result; streams and terminals where needed."""

import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PATIENCE = 60.0
OWN_LOG = re.compile(r'^time="[^"]*" level=(?:error|warning) msg=.*(?:\n|\Z)', re.MULTILINE)


@dataclass(frozen=True)
class Result:
    """What a finished command left: its exit code and both outputs, as text and as bytes."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def out(self) -> str:
        """Standard output, without the white space around it."""
        return self.stdout.decode().strip()

    @property
    def err(self) -> str:
        """What the command said of its work, without what the client logged beside it, at a moment of its own."""
        return OWN_LOG.sub("", self.stderr.decode()).strip()

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Docker:
    """``cli("run", "--rm", "box", "true")``. Containers that it makes carry ``label`` for the clean-up."""

    def __init__(self, program: str, host: str, config: Path, label: str) -> None:
        self.host = host
        self.label = label
        self._program = program
        self._env = {**os.environ, "DOCKER_HOST": host, "DOCKER_CONFIG": str(config)}

    def argv(self, *args: str) -> list[str]:
        if args and args[0] in {"run", "create"}:
            args = (args[0], "--label", self.label, *args[1:])
        return [self._program, *args]

    def __call__(
        self,
        *args: str,
        code: int | set[int] = 0,
        stdin: bytes | None = None,
        timeout: float = 120,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """Run to the end and insist on exit code ``code`` (or one of a set)."""
        done = subprocess.run(
            self.argv(*args),
            input=b"" if stdin is None else stdin,
            capture_output=True,
            timeout=timeout,
            env={**self._env, **(env or {})},
            check=False,
        )
        result = Result(done.returncode, done.stdout, done.stderr)
        wanted = code if isinstance(code, set) else {code}
        assert result.code in wanted, f"docker {' '.join(args)}: exit {result.code}\n{result.out}\n{result.err}"
        return result

    def fails(self, *args: str, code: int | set[int] = 1, stdin: bytes | None = None) -> str:
        """Run, insist on failure, and return the error text."""
        return self(*args, code=code, stdin=stdin).err

    def spawn(self, *args: str, **options: Any) -> "subprocess.Popen[bytes]":
        """Start without waiting; stdin, stdout and stderr are pipes unless ``options`` say otherwise."""
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(self.argv(*args), env=self._env, **{**streams, **options})

    def terminal(self, *args: str, rows: int = 24, columns: int = 80) -> "Terminal":
        return Terminal(self.argv(*args), self._env, rows, columns)


class Terminal:
    """A command on a pseudo-terminal, as a person sits before it."""

    def __init__(self, argv: list[str], env: Mapping[str, str], rows: int, columns: int) -> None:
        self._master, slave = pty.openpty()
        self.resize(rows, columns, notify=False)
        self._process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=dict(env), start_new_session=True
        )
        os.close(slave)
        self.seen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._master)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def expect(self, pattern: str, timeout: float = PATIENCE) -> "re.Match[str]":
        """Read until ``pattern`` appears; what came before it is forgotten."""
        deadline = time.monotonic() + timeout
        while not (match := re.search(pattern, self.seen)):
            left = deadline - time.monotonic()
            assert left > 0, f"no {pattern!r} within {timeout} s; on the screen: {self.seen!r}"
            assert self._read(left), f"the end, and no {pattern!r}; on the screen: {self.seen!r}"
        self.seen = self.seen[match.end() :]
        return match

    def ended(self, timeout: float = PATIENCE) -> int:
        """Read to the end and return the exit code."""
        deadline = time.monotonic() + timeout
        while self._read(max(0.0, deadline - time.monotonic())):
            assert time.monotonic() < deadline, f"still running; on the screen: {self.seen!r}"
        return self._process.wait(timeout)

    def resize(self, rows: int, columns: int, notify: bool = True) -> None:
        ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if notify:
            self._process.send_signal(signal.SIGWINCH)

    def _read(self, timeout: float) -> bool:
        """Take what has come; false at the end of the stream."""
        if not select.select([self._master], [], [], timeout)[0]:
            return self._process.poll() is None
        data = b""
        with suppress(OSError):  # EIO: the last holder of the other end is gone
            data = os.read(self._master, 65536)
        self.seen += data.decode(errors="replace")
        return bool(data)


def eventually(condition: Callable[[], Any], what: object = "", timeout: float = PATIENCE) -> Any:
    """The first true value of ``condition``, asked again and again."""
    deadline = time.monotonic() + timeout
    pause = 0.01
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {what or condition}"
        select.select([], [], [], pause)
        pause = min(pause * 1.5, 0.25)
    return value


def read_until(stream: Any, expected: bytes, timeout: float = PATIENCE) -> bytes:
    """Read a pipe until ``expected`` has come; returns all that was read."""
    data = b""
    deadline = time.monotonic() + timeout
    while expected not in data:
        left = deadline - time.monotonic()
        assert left > 0 and select.select([stream], [], [], left)[0], f"no {expected!r} within {timeout} s: {data!r}"
        chunk = os.read(stream.fileno(), 65536)
        assert chunk, f"the end, and no {expected!r}: {data!r}"
        data += chunk
    return data
