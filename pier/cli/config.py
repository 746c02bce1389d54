"""The client's settings: ``config.json`` in ``--config``, DOCKER_CONFIG or ~/.docker, shared with other clients."""

from __future__ import annotations

import os

from pier.client.jsontext import decode
from pier.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Json = dict[str, Any]

KINDS = {"auths": (dict, "an object"), "credHelpers": (dict, "an object"), "credsStore": (str, "text")}
FORMATS = ("psFormat", "imagesFormat", "statsFormat", "volumesFormat", "networksFormat")


class Settings:
    """What the file says; ``raw`` is all of it, so that writing back loses nothing."""

    __slots__ = ("path", "raw")

    def __init__(self, path: str, raw: Json) -> None:
        self.path = path
        self.raw = raw

    @property
    def detach_keys(self) -> str:
        return str(self.raw.get("detachKeys") or "")

    @property
    def auths(self) -> Json:
        """Registry host to ``{"auth": base64 of user:password}`` or ``{"identitytoken": ...}``."""
        found: Json = self.raw.get("auths") or {}
        return found

    def format(self, name: str) -> str:
        """A user's own default for ``--format``; ``name`` is one of :data:`FORMATS`."""
        return str(self.raw.get(name) or "")

    def helper_for(self, host: str) -> str:
        """The credential helper of a registry, "" for none."""
        helpers = self.raw.get("credHelpers") or {}
        return str(helpers.get(host) or self.raw.get("credsStore") or "")

    def update(self, change: Callable[[Json], object]) -> None:
        """Read the file again, ``change`` it and write it, while no other client of ours does.

        It is readable by its owner only, and stays his; a link to it stays a link.
        """
        from fcntl import LOCK_EX, flock

        path = os.path.realpath(self.path)
        parent = os.path.dirname(path)
        os.makedirs(parent, mode=0o700, exist_ok=True)
        lock = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            flock(lock, LOCK_EX)
            raw = _read(path)
            raw = {"auths": raw.pop("auths", None) or {}, **raw}
            change(raw)
            _write(path, raw)
            self.raw = raw
        finally:
            os.close(lock)


def _write(path: str, raw: Json) -> None:
    import json

    temporary = f"{path}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o600)
            file.write(json.dumps(raw, indent="\t", ensure_ascii=False))
            _keep_owner(path, descriptor)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _keep_owner(path: str, descriptor: int) -> None:
    """Root writes a user's file, as sudo lets it: the user must be able to read it afterwards."""
    if os.geteuid() != 0:
        return
    try:
        known = os.stat(path)
    except FileNotFoundError:
        return
    os.fchown(descriptor, known.st_uid, known.st_gid)


def _read(path: str) -> Json:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    try:
        raw = decode(text) if text.strip() else {}
    except ValueError as error:
        raise InvalidArgument(f"loading config file: {path}: {error}") from error
    if not isinstance(raw, dict):
        raise InvalidArgument(f"loading config file: {path}: not a JSON object")
    for name, (kind, called) in KINDS.items():
        if not isinstance(raw.get(name) or kind(), kind):
            raise InvalidArgument(f"loading config file: {path}: {name} is not {called}")
    return raw


def folder(options: Json) -> str:
    return str(options.get("config") or os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker"))


def load(options: Json) -> Settings:
    """Raises InvalidArgument for a file that is not JSON. One that is missing, or not ours to read, is an empty one."""
    path = os.path.join(folder(options), "config.json")
    try:
        return Settings(path, _read(path))
    except PermissionError:
        return Settings(path, {})
