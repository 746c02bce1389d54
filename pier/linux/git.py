"""git, called for repositories that are not trusted: with nothing of the host's, whatever they bring along.

Secrets belong into the environment: an argument can be seen by everybody on the host.
"""

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from pier.linux.trees import remove_tree

PROTOCOLS: Final = "http:https:ssh:git"
SILENCE: Final = 60
"""Seconds for which nothing may come from a server."""
SETTINGS: Final = (
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.autocrlf", "false"),
    ("core.logAllRefUpdates", "false"),
    ("credential.helper", ""),
    ("credential.interactive", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("safe.directory", "*"),
    ("init.defaultBranch", "main"),
    ("advice.detachedHead", "false"),
    ("protocol.version", "2"),
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", str(SILENCE)),
    ("fetch.recurseSubmodules", "false"),
)
"""Of its configuration (git-config(1)), whoever has written the repository's own."""
_KEPT: Final = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH")
_AUTHORITIES: Final = (("GIT_SSL_CAINFO", "SSL_CERT_FILE"), ("GIT_SSL_CAPATH", "SSL_CERT_DIR"))
"""Git's names for what is OpenSSL's: it may be made with another library."""
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_SSH: Final = (
    "BatchMode=yes",
    "UpdateHostKeys=no",
    "PasswordAuthentication=no",
    "KbdInteractiveAuthentication=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "ControlMaster=no",
    "ControlPath=none",
    "ConnectTimeout=30",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
)
_SHA256: Final = 64
_SUBMODULES: Final = ("submodule", "--quiet", "update", "--init", "--recursive", "--force")


class GitFailed(Exception):
    """``errors``: the end of what it said."""

    def __init__(self, code: int, errors: str) -> None:
        super().__init__(f"git error: exit status {code}: {' '.join(errors.split())}")
        self.errors = errors


def environment(host: Mapping[str, str], proxies: Mapping[str, str], ssh: str) -> dict[str, str]:
    """All variables of a git that finds no configuration and asks nobody (pure).

    ``host``: the process's own, of which little is kept. ``proxies``: of these, only what names one. ``ssh``: see
    :func:`ssh_command`.
    """
    made = {name: host[name] for name in _KEPT if name in host}
    made |= {own: made[name] for own, name in _AUTHORITIES if name in made and own not in made}
    given = {name: value for name, value in proxies.items() if name.lower() in _PROXIES}
    made |= {name.lower(): value for name, value in given.items()} | given  # curl knows HTTP_PROXY in lower case alone
    return made | {
        "LC_ALL": "C",
        "HOME": "/nonexistent",
        "XDG_CONFIG_HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GIT_ALLOW_PROTOCOL": PROTOCOLS,
        "GIT_SSH_VARIANT": "ssh",
        "GIT_SSH_COMMAND": ssh,
    }


def ssh_command(known_hosts: str, options: Iterable[str], *words: str) -> str:
    """With no configuration of the host's (pure).

    ``options``: more of ssh_config(5), which go before ours, and have to say about keys.
    """
    return shlex.join([*ssh_command_words(known_hosts, options), *words])


def ssh_command_words(known_hosts: str, options: Iterable[str]) -> list[str]:
    """The same, for a program that is no shell (pure)."""
    all_of_them = (*options, *_SSH, f'UserKnownHostsFile="{known_hosts}"')
    return ["ssh", "-F", "/dev/null", *(word for each in all_of_them for word in ("-o", each))]


def quoted(value: str) -> str:
    """As a file of git's configuration has it (pure)."""
    for character, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        value = value.replace(character, escaped)
    return f'"{value}"'


def format_of(commit: str) -> str:
    """Of a repository's hashes, as ``git init --object-format`` has it, by the number of a commit (pure)."""
    return "sha256" if len(commit) == _SHA256 else "sha1"


def origin(url: str) -> str:
    """For a repository's own configuration: what submodules with relative URLs are relative to (pure)."""
    return f'[remote "origin"]\n\turl = {quoted(url)}\n'


async def update_submodules(git: Callable[..., Awaitable[object]], folder: Path) -> None:
    """Bring those of the work tree whose ``.git`` is ``folder``. ``git`` runs it with some arguments in that tree.

    Only their commits, where their servers give single ones: protocol 2 does, older ones what a ref is at. Raises
    GitFailed, as ``git`` does.
    """
    try:
        await git(*_SUBMODULES, "--depth=1")
    except GitFailed:
        await git("submodule", "--quiet", "deinit", "--all", "--force")  # else what has failed is taken for there
        await asyncio.to_thread(remove_tree, folder / "modules")
        await git(*_SUBMODULES)
