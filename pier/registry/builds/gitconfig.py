"""How git is called for a build: with nothing of the host's, and the rule's credentials for its server alone (pure).

Secrets stand in the environment and nowhere else: arguments can be seen by everybody on the host. A helper of git's
shows them to the server of the rule; no other gets them, wherever that server or a submodule leads.
"""

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from pier.linux import git
from pier.registry.settings import Build

USERNAME: Final = "PIER_GIT_USERNAME"
PASSWORD: Final = "PIER_GIT_PASSWORD"
_HELPER: Final = f"""!f() {{ printf 'username=%s\\npassword=%s\\n' "${USERNAME}" "${PASSWORD}"; }}; f"""


ASKPASS: Final = f"""#!/bin/sh
printf '%s\\n' "${PASSWORD}"
"""
"""What ssh runs to have a passphrase (ssh(1), SSH_ASKPASS)."""
_ONLY: Final = (
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=/dev/null",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "LogLevel=INFO",
)
_ASKING: Final = ("BatchMode=no", "NumberOfPasswordPrompts=1")


def config(rule: Build) -> str:
    """The text of git's configuration, of which there is no other. Nothing in it is secret."""
    return "".join(_lines(rule))


def _lines(rule: Build) -> Iterator[str]:
    for name, value in git.SETTINGS:
        section, _, key = name.partition(".")
        yield f"[{section}]\n\t{key} = {git.quoted(value)}\n"
    if uses_password(rule):
        yield f"[credential {git.quoted(scope_of(rule))}]\n\thelper = {git.quoted(_HELPER)}\n"


def environment(rule: Build, host: Mapping[str, str], place: str, secret: tuple[str, str]) -> dict[str, str]:
    """All variables of a git. ``place``: the file with :func:`config`. ``secret``: a name and a password.

    Or no name, and the passphrase of a key, which ``ASKPASS`` tells, a program beside that file.
    """
    made = git.environment(host, host, _ssh(rule)) | {"GIT_CONFIG_GLOBAL": place}
    if rule.git_ca_file:
        made |= {"GIT_SSL_CAINFO": rule.git_ca_file}
        made.pop("GIT_SSL_CAPATH", None)
    if uses_password(rule):
        made |= {USERNAME: secret[0], PASSWORD: secret[1]}
    if rule.git_key_passphrase_file:
        made |= {PASSWORD: secret[1], "SSH_ASKPASS": askpass_of(place), "SSH_ASKPASS_REQUIRE": "force"}
    return made


def askpass_of(place: str) -> str:
    return f"{place}-askpass"


def uses_password(rule: Build) -> bool:
    return bool(rule.git_password or rule.git_password_file)


def fetched_here(rule: Build) -> bool:
    """Whether this registry fetches the repository.

    Engines have no place for credentials in ``POST /build``, and know nothing of Git LFS.
    """
    return uses_password(rule) or bool(rule.git_key_file) or rule.git_lfs


def scope_of(rule: Build) -> str:
    """The server that is shown the password."""
    parts = urlsplit(rule.repository)
    return f"{parts.scheme}://{parts.netloc}"


def _ssh(rule: Build) -> str:
    """No keys but the rule's, and no servers but those that are known."""
    known_hosts = rule.git_known_hosts_file or "/dev/null"
    if not rule.git_key_file:
        return git.ssh_command(known_hosts, (*_ONLY, "IdentityFile=none"))
    asking = _ASKING if rule.git_key_passphrase_file else ()
    return git.ssh_command(known_hosts, (*_ONLY, *asking), "-i", rule.git_key_file)
