"""How git is called for a build: with nothing of the host's, and the rule's credentials for its server alone (pure).

Secrets stand in the environment and nowhere else: arguments can be seen by everybody on the host. A helper of git's
shows them to the server of the rule; no other gets them, wherever that server or a submodule leads.
"""

import shlex
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from pier.registry.settings import Build

USERNAME: Final = "PIER_GIT_USERNAME"
PASSWORD: Final = "PIER_GIT_PASSWORD"
_HELPER: Final = f"""!f() {{ printf 'username=%s\\npassword=%s\\n' "${USERNAME}" "${PASSWORD}"; }}; f"""
_SILENCE: Final = 60
"""Seconds for which nothing may come from a web server."""
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_KEPT: Final = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH")
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
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", str(_SILENCE)),
    ("fetch.recurseSubmodules", "false"),
)
_SSH: Final = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=/dev/null",
    "UpdateHostKeys=no",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "PasswordAuthentication=no",
    "KbdInteractiveAuthentication=no",
    "ForwardAgent=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "ControlMaster=no",
    "ControlPath=none",
    "ConnectTimeout=30",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
    "LogLevel=INFO",
)


def config(rule: Build) -> str:
    """The text of git's configuration, of which there is no other. Nothing in it is secret."""
    return "".join(_lines(rule))


def _lines(rule: Build) -> Iterator[str]:
    for name, value in _SETTINGS:
        section, _, key = name.partition(".")
        yield f"[{section}]\n\t{key} = {_quoted(value)}\n"
    if uses_password(rule):
        yield f"[credential {_quoted(scope_of(rule))}]\n\thelper = {_quoted(_HELPER)}\n"


def origin(rule: Build) -> str:
    """For the repository's own configuration: what submodules with relative URLs are relative to."""
    return f'[remote "origin"]\n\turl = {_quoted(rule.repository)}\n'


def environment(rule: Build, host: Mapping[str, str], place: str, secret: tuple[str, str]) -> dict[str, str]:
    """All variables of a git. ``place``: the file with :func:`config`. ``secret``: a name and a password."""
    made = {name: host[name] for name in _KEPT if name in host}
    for name, value in host.items():
        if name.lower() in _PROXIES:
            made |= {name: value, name.lower(): value}
    if rule.git_ca_file:
        made |= {"GIT_SSL_CAINFO": rule.git_ca_file}
        made.pop("GIT_SSL_CAPATH", None)
    made |= {
        "LC_ALL": "C",
        "HOME": "/nonexistent",
        "XDG_CONFIG_HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_CONFIG_GLOBAL": place,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GIT_ALLOW_PROTOCOL": "http:https:ssh:git",
        "GIT_SSH_VARIANT": "ssh",
        "GIT_SSH_COMMAND": _ssh(rule),
    }
    if uses_password(rule):
        made |= {USERNAME: secret[0], PASSWORD: secret[1]}
    return made


def uses_password(rule: Build) -> bool:
    return bool(rule.git_password or rule.git_password_file)


def fetched_here(rule: Build) -> bool:
    """Whether this registry fetches the repository: engines have no place for credentials in ``POST /build``."""
    return uses_password(rule) or bool(rule.git_key_file)


def scope_of(rule: Build) -> str:
    """The server that is shown the password."""
    parts = urlsplit(rule.repository)
    return f"{parts.scheme}://{parts.netloc}"


def _ssh(rule: Build) -> str:
    """No configuration and no keys but the rule's, and no servers but those that are known."""
    options = [*_SSH, f'UserKnownHostsFile="{rule.git_known_hosts_file or "/dev/null"}"']
    if not rule.git_key_file:
        options.append("IdentityFile=none")
    words = [word for option in options for word in ("-o", option)]
    return shlex.join(["ssh", "-F", "/dev/null", *words, *(["-i", rule.git_key_file] if rule.git_key_file else [])])


def _quoted(value: str) -> str:
    """As git-config(1) has it."""
    for character, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        value = value.replace(character, escaped)
    return f'"{value}"'
