"""Our own registry for tests, as the process that users run.

async with pier_registry(tmp_path) as registry: ...                                  # open to all
async with pier_registry(tmp_path, redirect=True, listen=["127.0.0.1:5001"]) as registry: ...
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pier.linux.process import Child
from pier.testing.registry import free_port, running

_READY: Final = b"msg=ready"
_ENVIRONMENT: Final = "PIER_REGISTRY_"


@dataclass(frozen=True, slots=True)
class PierRegistry:
    """``host`` is ``127.0.0.1:port``; ``root`` its folder, which outlives it; ``log`` what it prints."""

    host: str
    root: Path
    child: Child
    log: Path


@asynccontextmanager
async def pier_registry(folder: Path, **settings: Any) -> AsyncIterator[PierRegistry]:
    """Run ``pier registry serve`` with its root under ``folder``. ``settings`` are fields of its Settings.

    With the same ``folder`` it goes on where the one before has stopped.
    """
    host = (settings.pop("listen", None) or [f"127.0.0.1:{free_port()}"])[0]
    root = folder / "pier-registry"
    root.mkdir(parents=True, exist_ok=True)
    file = folder / "pier-registry.toml"
    file.write_text("".join(f"{name} = {_toml(value)}\n" for name, value in {"root": str(root), **settings}.items()))
    argv = [sys.executable, "-m", "pier.daemon.registry", "serve", "--config", str(file), "--listen", host]
    assert not any(name.startswith(_ENVIRONMENT) for name in os.environ)
    log = folder / "pier-registry.log"
    async with running(argv, _READY, log) as child:
        yield PierRegistry(host, root, child, log)


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case list() | tuple():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case dict():
            return "{" + ", ".join(f'"{key}" = {_toml(each)}' for key, each in value.items()) + "}"
    return "'" + str(value) + "'"
