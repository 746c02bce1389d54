"""An engine behind ssh: its socket is forwarded to one of ours while a build goes on."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from pier.errors import PierError, Unavailable
from pier.linux.git import GitFailed, ssh_command_words
from pier.registry.builds.failed import BuildFailed
from pier.registry.builds.gitrun import Git
from pier.registry.builds.rooms import room
from pier.registry.settings import Build

_SOCKET: Final = "/var/run/docker.sock"
_OURS: Final = "engine"
_LOOK_EVERY: Final = 0.05
_LARGEST: Final = 1 << 20
_FOREVER: Final = (
    (r"ssh: not found", 'there is no ssh on the registry\'s host: install the package "openssh-client"'),
    (r"HOST IDENTIFICATION HAS CHANGED|Host key verification", "its host's key is not in engine_known_hosts_file"),
    (r"UNPROTECTED PRIVATE KEY|bad permissions", "engine_key_file may be read by others: chmod 600"),
    (r"Load key|Identity file", "engine_key_file cannot be used: a private key of OpenSSH's, without a passphrase"),
    (r"Permission denied \(", "its host does not accept engine_key_file"),
)


@asynccontextmanager
async def reached(root: Path, rule: Build) -> AsyncIterator[str]:
    """The engine's address; for ``ssh://`` that of a socket below ``root``, within. Raises BuildFailed, Unavailable."""
    if not rule.engine.startswith("ssh://"):
        yield rule.engine
        return
    async with room(root) as place:
        ssh = Git({"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}, place, _LARGEST, "ssh")
        descriptor = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)  # sockets' paths are short
        going = asyncio.create_task(ssh(*words(rule)))
        try:
            await _there(rule, going, place / _OURS)
            yield f"unix:///proc/self/fd/{descriptor}/{_OURS}"
        finally:
            os.close(descriptor)
            going.cancel()
            await asyncio.gather(going, return_exceptions=True)


async def _there(rule: Build, going: "asyncio.Task[str]", socket: Path) -> None:
    while not going.done():
        if await asyncio.to_thread(socket.exists):
            return
        await asyncio.sleep(_LOOK_EVERY)
    try:
        going.result()
    except GitFailed as error:
        raise _failure(rule, error.errors) from error
    raise Unavailable(f"the engine {rule.engine} does not answer: ssh has ended")


def _failure(rule: Build, errors: str) -> PierError:
    said = " ".join(errors.split())[-400:]
    for pattern, advice in _FOREVER:
        if re.search(pattern, errors):
            return BuildFailed(f"the engine {rule.engine}: {advice} ({said})")
    return Unavailable(f"the engine {rule.engine} does not answer: {said}")


def words(rule: Build) -> list[str]:
    """What ssh is told."""
    parts = urlsplit(rule.engine)
    path = unquote(parts.path) if parts.path.strip("/") else _SOCKET
    options = (
        "StrictHostKeyChecking=yes",
        "GlobalKnownHostsFile=/dev/null",
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "LogLevel=INFO",
        "ClearAllForwardings=no",
        "ExitOnForwardFailure=yes",
        "StreamLocalBindMask=0177",
    )
    user = f"{parts.username}@" if parts.username else ""
    more = ("-i", rule.engine_key_file, *(("-p", str(parts.port)) if parts.port else ()))
    forward = ("-N", "-T", "-L", f"./{_OURS}:{path}", f"{user}{parts.hostname}")
    return [*ssh_command_words(rule.engine_known_hosts_file, options)[1:], *more, *forward]
