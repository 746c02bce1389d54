"""The client's settings: ``config.json`` in ``--config``, DOCKER_CONFIG or ~/.docker, shared with other clients."""

from __future__ import annotations

import os

from pier.client.jsontext import decode
from pier.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

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
        found: Json = self.raw.setdefault("auths", {})
        return found

    def format(self, name: str) -> str:
        """A user's own default for ``--format``; ``name`` is one of :data:`FORMATS`."""
        return str(self.raw.get(name) or "")

    def helper_for(self, host: str) -> str:
        """The credential helper of a registry, "" for none."""
        helpers = self.raw.get("credHelpers") or {}
        return str(helpers.get(host) or self.raw.get("credsStore") or "")

    def save(self) -> None:
        """Write the file anew, readable by its owner only."""
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        temporary = f"{self.path}.new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(_indented(self.raw))
        os.replace(temporary, self.path)


def _indented(raw: Json) -> str:
    import json

    return json.dumps(raw, indent="\t", ensure_ascii=False)


def folder(options: Json) -> str:
    return str(options.get("config") or os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker"))


def load(options: Json) -> Settings:
    """Raises InvalidArgument for a file that is not JSON. A missing file is an empty one."""
    path = os.path.join(folder(options), "config.json")
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return Settings(path, {})
    try:
        raw = decode(text)
    except ValueError as error:
        raise InvalidArgument(f"loading config file: {path}: {error}") from error
    if not isinstance(raw, dict):
        raise InvalidArgument(f"loading config file: {path}: not a JSON object")
    return Settings(path, raw)
