"""Sources of ADD, and contexts, that come over the network: told apart as Docker does (pure)."""

import posixpath
import re
from typing import Final
from urllib.parse import unquote, urlsplit

from pier.build.graph import GitSource

_SCP: Final = re.compile(r"[a-zA-Z0-9\-_]+@[a-zA-Z0-9\-.]+:(?P<path>[^#]*)(?:#.*)?", re.DOTALL)
_UNNAMED: Final = "__unnamed__"


def is_http(text: str) -> bool:
    return text.startswith(("http://", "https://"))


def parse_git(text: str, *, keep_git_dir: bool = False) -> GitSource | None:
    """``https://host/repo.git#ref:folder``, ``git@host:repo``, ``ssh://...``, ``git://...``; None for all else."""
    url, _, fragment = text.partition("#")
    scheme = url.partition("://")[0] if "://" in url else ""
    if scheme in ("http", "https"):
        if not urlsplit(url).path.endswith(".git"):
            return None
    elif scheme not in ("git", "ssh") and (scheme or _SCP.fullmatch(text) is None):
        return None
    ref, _, folder = fragment.partition(":")
    return GitSource(url=url, ref=ref, folder=folder.strip("/"), keep_git_dir=keep_git_dir)


def file_name(url: str) -> str:
    """What the file at ``url`` is called."""
    name = posixpath.basename(posixpath.normpath(unquote(urlsplit(url).path)))
    return _UNNAMED if name in ("", ".", "..", "/") else name
