"""An OCI bundle: the folder with ``config.json`` that a container is created from."""

import os
from pathlib import Path
from typing import Any

import msgspec

CONFIG = "config.json"


def write(bundle: Path, spec: dict[str, Any]) -> None:
    """Make the folder (root's alone) and write the spec into it."""
    bundle.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_json(bundle / CONFIG, spec)


def read(bundle: Path) -> dict[str, Any]:
    """The spec in ``bundle``."""
    spec: dict[str, Any] = msgspec.json.decode((bundle / CONFIG).read_bytes(), type=dict[str, Any])
    return spec


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write ``value`` into a new file that only root reads: environments may hold secrets."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, msgspec.json.encode(value))
    finally:
        os.close(descriptor)
