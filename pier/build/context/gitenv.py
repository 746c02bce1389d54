"""How git is called for repositories that are not trusted: with nothing of the host's but what is given here (pure).

Secrets are in the environment alone: an argument can be seen by everybody on the host.
"""

import base64
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from pier.errors import InvalidArgument

PROTOCOLS: Final = "http:https:ssh:git"
MARK: Final = "PIER_BUILD_GIT"
TOKEN: Final = "GIT_AUTH_TOKEN"
HEADER: Final = "GIT_AUTH_HEADER"
SILENCE: Final = 60
"""Seconds for which nothing may come from a server."""
_NO_REF: Final = re.compile(r"[\x00-\x20~^:?*\[\\\x7f]|\.\.|@\{|^[-/]|//|/$|\.lock$|\.$")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_KEPT: Final = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH")
_AUTHORITIES: Final = (("GIT_SSL_CAINFO", "SSL_CERT_FILE"), ("GIT_SSL_CAPATH", "SSL_CERT_DIR"))
"""Git's names for what is OpenSSL's: it may be made with another library."""
_LOCAL: Final = "localhost,127.0.0.1,::1"
_SETTINGS: Final = (
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
    made = {name: host[name] for name in _KEPT if name in host}
    made |= {own: made[name] for own, name in _AUTHORITIES if name in made and own not in made}
    made |= _proxies(proxies)
    for name in ("no_proxy", "NO_PROXY"):
        made[name] = ",".join(text for text in (proxies.get(name, ""), _LOCAL) if text)
    made |= {
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
        "GIT_ALLOW_PROTOCOL": PROTOCOLS if remote is not None else "file",
        "GIT_SSH_VARIANT": "ssh",
        "GIT_SSH_COMMAND": _ssh(known_hosts),
        MARK: mark,
    }
    if agent:
        made["SSH_AUTH_SOCK"] = agent
    settings = [*_SETTINGS]
    if remote is not None and header:
        settings.append((f"http.{remote.scope}.extraHeader", f"Authorization: {header}"))
    return made | _config(settings)


def _proxies(variables: Mapping[str, str]) -> dict[str, str]:
    """``HTTP_PROXY`` in lower case, too: curl knows no other."""
    given = {name: value for name, value in variables.items() if name.lower() in _PROXIES}
    return {name.lower(): value for name, value in given.items()} | given


def _config(settings: Sequence[tuple[str, str]]) -> dict[str, str]:
    made = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings):
        made[f"GIT_CONFIG_KEY_{number}"] = name
        made[f"GIT_CONFIG_VALUE_{number}"] = value
    return made


def _ssh(known_hosts: str) -> str:
    """No configuration and no keys of the host's; a server that was seen before must be the same one."""
    options = (
        "BatchMode=yes",
        "StrictHostKeyChecking=accept-new",
        f'UserKnownHostsFile="{known_hosts}"',
        "UpdateHostKeys=no",
        "IdentityFile=none",
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
    return shlex.join(["ssh", "-F", "/dev/null", *(word for option in options for word in ("-o", option))])


def config_file(remote: Remote) -> str:
    """The part of a repository's configuration that names its origin."""
    quoted = remote.url.replace("\\", "\\\\").replace('"', '\\"')
    return f'[remote "origin"]\n\turl = "{quoted}"\n'
