"""A real ``sshd`` on a loopback port, and an ``ssh`` that gets in there without a question.

    with sshd(tmp_path, path="/folder/of/commands:/usr/bin:/bin") as server:
        subprocess.run([..., f"ssh://{server.host}"], env={"PATH": f"{server.bin}:..."})

Whoever runs the tests logs in as who they are, with a key made for it.
"""

import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pier.linux import process
from pier.testing.registry import free_port

PROGRAM: Final = "/usr/sbin/sshd"
_PATIENCE: Final = 60.0
_SSH: Final = """#!/bin/sh
exec {ssh} -F none -i {folder}/user -o IdentitiesOnly=yes -o BatchMode=yes -o LogLevel=ERROR \\
    -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "$@"
"""


@dataclass(frozen=True, slots=True)
class Server:
    """``host``: ``127.0.0.1:port``. ``bin``: a folder with the ``ssh`` that knows the key; put it first in PATH."""

    host: str
    bin: Path


@contextmanager
def sshd(folder: Path, path: str) -> Iterator[Server]:
    """Run one; ``path`` is the PATH of the commands that it runs."""
    home = folder / "sshd"
    (home / "bin").mkdir(parents=True)
    for key in ("host", "user"):
        made = process.run_sync(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / key)])
        assert made.returncode == 0, made.stderr
    port = free_port()
    lines = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {home}/host",
        f"AuthorizedKeysFile {home}/user.pub",
        "PidFile none",
        "StrictModes no",
        "UsePAM no",
        "PermitRootLogin yes",
        f"SetEnv PATH={path}",
    ]
    (home / "config").write_text("\n".join(lines) + "\n")
    script = home / "bin" / "ssh"
    script.write_text(_SSH.format(ssh=shutil.which("ssh"), folder=home))
    script.chmod(0o755)
    os.makedirs("/run/sshd", exist_ok=True)  # where it locks its unprivileged half in
    with (home / "log").open("wb") as log:
        child = process.spawn_sync([PROGRAM, "-D", "-e", "-f", str(home / "config")], stdout=log, stderr=log)
    try:
        _await(port)
        yield Server(f"127.0.0.1:{port}", home / "bin")
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait_sync(_PATIENCE)


def _await(port: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline, "sshd does not listen"
        time.sleep(0.02)
