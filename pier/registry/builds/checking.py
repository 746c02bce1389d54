"""Settings of builds that make no sense: credentials, engines and what may be read (pure)."""

import re
from typing import Final
from urllib.parse import urlsplit

from pier.errors import InvalidArgument
from pier.registry import names
from pier.registry.builds.gitconfig import uses_password
from pier.registry.settings import Build

_ENGINE: Final = re.compile(r"unix:///.+|(tcp|http)://[^/@?#]+|ssh://([A-Za-z0-9._-]+@)?[^-/@?#][^/@?#]*(/[^:?#]*)?")
_PATH: Final = re.compile(r"/[^\x00-\x1f\"\\%$]*")
_FILES: Final = ("git_ca_file", "git_key_file", "git_key_passphrase_file", "git_known_hosts_file")


def check_git(rule: Build) -> None:
    """Raises InvalidArgument."""
    https, ssh = rule.repository.startswith("https://"), _is_ssh(rule.repository)
    if rule.git_password and rule.git_password_file:
        raise InvalidArgument("git_password and git_password_file exclude each other")
    if bool(rule.git_username) != uses_password(rule):
        raise InvalidArgument("git_username goes with a git_password or a git_password_file")
    if any(ord(character) < 32 for character in rule.git_password):
        raise InvalidArgument("git_password has to be one line")
    if uses_password(rule) and not https:
        raise InvalidArgument("git_username and its password are for a repository of https://, and for no other")
    if bool(rule.git_key_file) != bool(rule.git_known_hosts_file):
        raise InvalidArgument(
            "git_key_file and git_known_hosts_file go together: no key is shown to a server that is not known"
        )
    if rule.git_key_passphrase_file and not rule.git_key_file:
        raise InvalidArgument("git_key_passphrase_file goes with a git_key_file")
    if rule.git_key_file and not ssh:
        raise InvalidArgument("git_key_file is for a repository of ssh://, or git@HOST:PATH")
    if rule.git_lfs and rule.repository.startswith("git://"):
        raise InvalidArgument("git_lfs is for a repository of https://, http:// or ssh://: git:// knows nothing of it")
    if rule.git_ca_file and not (uses_password(rule) or rule.git_lfs):
        raise InvalidArgument(
            "git_ca_file goes with git_username or git_lfs: without them the engine fetches the repository"
        )
    for name in _FILES:
        if getattr(rule, name) and not _PATH.fullmatch(getattr(rule, name)):
            raise InvalidArgument(f'{name} has to be an absolute path without ", \\, % and $: {getattr(rule, name)}')


def _is_ssh(repository: str) -> bool:
    return repository.startswith("ssh://") or "://" not in repository


def check_engine(rule: Build) -> None:
    """Raises InvalidArgument."""
    _check_ssh(rule)
    if rule.engine.startswith("https://"):
        raise InvalidArgument("an engine that speaks TLS is tcp://HOST:2376, with engine_certs")
    if not _ENGINE.fullmatch(rule.engine) or not _reachable(rule.engine):
        raise InvalidArgument(f"an engine is unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST: {rule.engine}")
    if rule.engine_certs and not rule.engine.startswith("tcp://"):
        raise InvalidArgument("engine_certs is for an engine of tcp://")
    if rule.engine_certs and not rule.engine_certs.startswith("/"):
        raise InvalidArgument(f"engine_certs has to be an absolute path: {rule.engine_certs}")


def _check_ssh(rule: Build) -> None:
    keys = [rule.engine_key_file, rule.engine_known_hosts_file]
    if any(keys) and not rule.engine.startswith("ssh://"):
        raise InvalidArgument("engine_key_file and engine_known_hosts_file are for an engine of ssh://")
    if rule.engine.startswith("ssh://") and not all(keys):
        raise InvalidArgument("an engine of ssh:// needs an engine_key_file, and an engine_known_hosts_file")
    for file in filter(None, keys):
        if not _PATH.fullmatch(file):
            raise InvalidArgument(f'a file of the engine has to be an absolute path without ", \\, % and $: {file}')


def _reachable(engine: str) -> bool:
    try:
        parts = urlsplit(engine)
        return parts.scheme == "unix" or bool(parts.hostname and parts.port != 0)
    except ValueError:
        return False


def check_bases(rule: Build) -> None:
    """Raises InvalidArgument, and Refusal for what names no repositories."""
    for base in rule.bases:
        if bool(base.password) == bool(base.password_file):
            raise InvalidArgument(f"{base.registry} in bases needs a password or a password_file")
    if len({base.registry.lower() for base in rule.bases}) < len(rule.bases):
        raise InvalidArgument("it names a registry twice in bases")
    for name in rule.reads:
        names.repository(name.replace("*", "x"))
