"""How git is called for repositories that are not trusted: with nothing of the host's but what is given here (pure).

Secrets are in the environment alone: an argument can be seen by everybody on the host.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from pier.errors import InvalidArgument
from pier.linux import git

MARK: Final = "PIER_BUILD_GIT"
TOKEN: Final = "GIT_AUTH_TOKEN"
HEADER: Final = "GIT_AUTH_HEADER"
_NO_REF: Final = re.compile(r"[\x00-\x20~^:?*\[\\\x7f]|\.\.|@\{|^[-/]|//|/$|\.lock$|\.$")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
_LOCAL: Final = "localhost,127.0.0.1,::1"


class Remote(msgspec.Struct, frozen=True):
    """Where a repository is. ``url`` has no password; ``header`` (Authorization) is what its password was."""

    url: str
    host: str = ""
    scope: str = ""
    header: str = ""

    @property
    def by_ssh(self) -> bool:
        return not self.url.startswith(("http://", "https://", "git://"))


def remote_of(url: str) -> Remote:
    """Raises InvalidArgument for a URL that cannot be one."""
    try:
        parts = urlsplit(url) if "://" in url else SplitResult("ssh", "", "", "", "")
        host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or ""
    except ValueError as error:
        raise InvalidArgument(f"invalid git URL: {error}") from error
    if _CONTROLS.search(url) or url.startswith("-"):
        raise InvalidArgument(f"invalid git URL {url!r}")
    if parts.scheme not in ("http", "https"):
        return Remote(url, host)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    given = parts.username is not None
    header = _basic(unquote(parts.username or ""), unquote(parts.password or "")) if given else ""
    return Remote(bare.geturl(), host, f"{bare.scheme}://{bare.netloc}/", header)


def checked_ref(ref: str) -> str:
    """Raises InvalidArgument for what can name neither a ref nor a commit (git-check-ref-format(1))."""
    if _NO_REF.search(ref):
        raise InvalidArgument(f"invalid git ref {ref!r}")
    return ref


def secret_names(remote: Remote) -> Sequence[str]:
    """The session's secrets that may hold what the server wants to see, the best first."""
    if not remote.scope:
        return ()
    return (f"{HEADER}.{remote.host}", f"{TOKEN}.{remote.host}", HEADER, TOKEN)


def header_of(name: str, secret: bytes) -> str:
    """What follows ``Authorization: ``. Raises InvalidArgument for a secret of several lines."""
    text = secret.decode("utf-8", "replace").strip()
    if _CONTROLS.search(text):
        raise InvalidArgument(f"the secret {name} must be one line of text")
    return text if name.startswith(HEADER) else _basic("x-access-token", text)


def _basic(user: str, password: str) -> str:
    return "basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def environment(
    host: Mapping[str, str],
    proxies: Mapping[str, str],
    *,
    mark: str,
    remote: Remote | None = None,
    header: str = "",
    agent: str = "",
    known_hosts: str = "",
) -> dict[str, str]:
    """All variables of a git. Without a ``remote`` it can reach files of this host, and nothing else.

    ``host``: the process's own, of which little is kept. ``agent``: the socket of the client's SSH agent.
    """
    made = git.environment(host, proxies, _ssh(known_hosts))
    for name in ("no_proxy", "NO_PROXY"):
        made[name] = ",".join(text for text in (proxies.get(name, ""), _LOCAL) if text)
    made |= {"GIT_ALLOW_PROTOCOL": git.PROTOCOLS if remote is not None else "file", MARK: mark}
    if agent:
        made["SSH_AUTH_SOCK"] = agent
    settings = [*git.SETTINGS]
    if remote is not None and header:
        settings.append((f"http.{remote.scope}.extraHeader", f"Authorization: {header}"))
    return made | _config(settings)


def _config(settings: Sequence[tuple[str, str]]) -> dict[str, str]:
    made = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings):
        made[f"GIT_CONFIG_KEY_{number}"] = name
        made[f"GIT_CONFIG_VALUE_{number}"] = value
    return made


def _ssh(known_hosts: str) -> str:
    """No keys of the host's; a server that was seen before must be the same one."""
    return git.ssh_command(known_hosts, ("StrictHostKeyChecking=accept-new", "IdentityFile=none"))
