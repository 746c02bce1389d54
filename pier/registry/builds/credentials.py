"""Secrets of builds: what their files say at the moment. They are handed on in memory, and stand in no log."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from pier.errors import InvalidArgument
from pier.registry.builds.choosing import target
from pier.registry.builds.enginetls import FILES
from pier.registry.builds.failed import BuildFailed
from pier.registry.settings import Base, Build, Settings

_HUB: Final = "https://index.docker.io/v1/"
_HUBS: Final = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


def git_secret(rule: Build) -> tuple[str, str]:
    """Name and password for the Git server, or no name and the key's passphrase. Raises BuildFailed."""
    if rule.git_key_passphrase_file:
        return "", _password("", rule.git_key_passphrase_file, "git_key_passphrase_file")
    return rule.git_username, _password(rule.git_password, rule.git_password_file, "git_password_file")


def bases_header(rule: Build, settings: Settings, token: str) -> str:
    """``X-Registry-Config``: who the engine is where it pulls base images. ``token`` is for this registry.

    Raises BuildFailed.
    """
    found = {_server(base): _login(base) for base in rule.bases}
    own = target(rule, settings).partition("/")[0]
    found.setdefault(own, {"serveraddress": own, "registrytoken": token})
    return base64.urlsafe_b64encode(msgspec.json.encode(found)).decode()


def _server(base: Base) -> str:
    """As Docker's clients call it."""
    return _HUB if base.registry.lower() in _HUBS else base.registry


def _login(base: Base) -> dict[str, str]:
    password = _password(base.password, base.password_file, f"password_file of {base.registry}")
    return {"serveraddress": _server(base), "username": base.username, "password": password}


def _password(given: str, file: str, called: str) -> str:
    """Raises BuildFailed."""
    if not file:
        return given
    try:
        password = Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise BuildFailed(f"cannot read the {called} {file}: {reason}") from error
    if not password or any(ord(character) < 32 for character in password):
        raise BuildFailed(f"the {called} {file} has to hold one line, the password")
    return password


def check_files(settings: Settings) -> None:
    """Raises InvalidArgument for files that the settings name and that cannot be read."""
    for rule in settings.build:
        for name, file in _named(rule):
            try:
                with Path(file).open("rb"):
                    pass
            except OSError as error:
                reason = os.strerror(error.errno or 0).lower()
                raise InvalidArgument(f"build {rule.name}: cannot read the {name} {file}: {reason}") from error


def _named(rule: Build) -> Iterator[tuple[str, str]]:
    for name in ("git_password_file", "git_ca_file", "git_key_file", "git_key_passphrase_file", "git_known_hosts_file"):
        if file := getattr(rule, name):
            yield name, file
    for base in rule.bases:
        if base.password_file:
            yield f"password_file of {base.registry}", base.password_file
    for name in ("engine_key_file", "engine_known_hosts_file"):
        if file := getattr(rule, name):
            yield name, file
    if rule.engine_certs:
        for name in FILES:
            yield f"{name} of engine_certs", f"{rule.engine_certs}/{name}"
