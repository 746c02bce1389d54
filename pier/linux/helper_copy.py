"""The helper's tasks for ``docker cp`` and ``docker export``: look at, read from and write into a tree."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from pier.linux.helper_copyin import CopyIn, Wishes
from pier.linux.helper_copyout import CopyOut
from pier.linux.helper_input import Source, plain
from pier.linux.helper_pack import Output, Packer
from pier.linux.helper_paths import Refused, describe
from pier.linux.helper_tarread import TarReader
from pier.linux.helper_view import open_view
from pier.linux.libc import check, libc

_CLONE_NEWUSER: Final = 0x10000000


def run(task: dict[str, Any], enter: Callable[[int], None]) -> dict[str, Any]:
    """Do ``task["verb"]``; ``enter`` changes this process's root. The report, or the error kind of a refusal."""
    root = task["root"]
    try:
        if task["mounts"]:
            os.close(root)
            root = open_view(Path(task["folder"]), task["mounts"], task["binds"])
        if "user_namespace" in task:
            enter = _into(task["user_namespace"], enter)
        return _VERBS[task["verb"]](task, root, enter)
    except Refused as refused:
        return {"error": refused.kind, "message": str(refused)}


def _into(namespace: str, enter: Callable[[int], None]) -> Callable[[int], None]:
    """``enter``, and then become root in a user namespace, whose file must be opened before."""
    descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)

    def entering(root: int) -> None:
        enter(root)
        check(libc.setns(descriptor, _CLONE_NEWUSER), namespace)
        os.close(descriptor)
        os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)

    return entering


def _describe(task: dict[str, Any], root: int, enter: Callable[[int], None]) -> dict[str, Any]:
    return describe(_inside(root, enter), task["path"])


def _read(task: dict[str, Any], root: int, enter: Callable[[int], None]) -> dict[str, Any]:
    inside = _inside(root, enter)
    CopyOut(inside, Output(1, hashed=False), task["skip"]).run(task["path"], task["name"])
    return {"done": True}


def _write(task: dict[str, Any], root: int, enter: Callable[[int], None]) -> dict[str, Any]:
    pieces = plain(Source(0, keep=None, hashed=False))
    first = next(pieces, b"")  # loads the decompressor's modules while they can be reached
    inside = _inside(root, enter)
    owner = tuple(task["owner"]) if task["owner"] else None
    CopyIn(
        inside, task["path"], TarReader(_chain(first, pieces), None, hashed=False), Wishes(task["keep_kinds"], owner)
    ).run()
    return {"done": True}


def _pack(task: dict[str, Any], root: int, enter: Callable[[int], None]) -> dict[str, Any]:
    os.close(_inside(root, enter))
    output = Output(1, hashed=False)
    Packer(output, whiteouts=False).run(with_root=False)
    return {"done": True}


def _inside(root: int, enter: Callable[[int], None]) -> int:
    """Change the root, and open it again: what is beyond it cannot be named any more."""
    enter(root)
    return os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _chain(first: memoryview | bytes, rest: Iterator[memoryview | bytes]) -> Iterator[memoryview | bytes]:
    if len(first):
        yield first
        yield from rest


_VERBS = {"describe": _describe, "read": _read, "write": _write, "pack": _pack}
