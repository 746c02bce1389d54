"""Compiled seccomp filters, kept so that crun does not compile the same profile for every container.

Compiling Docker's profile takes crun 12 ms, twice what the rest of a container takes. What it compiled for one
container is handed back to it for the next one with the same profile, in the annotation
``run.oci.seccomp_bpf_data`` (crun(1)). The profile stays in the spec beside it: a runtime that does not know the
annotation compiles as ever. Only crun is given it; its newer releases have such a store of their own, and
lose nothing.
"""

import base64
import contextlib
import hashlib
from pathlib import Path
from typing import Any, Final

import msgspec

from pier.linux.files import atomic_write

_ANNOTATION: Final = "run.oci.seccomp_bpf_data"
_INSTRUCTION: Final = 8


class FilterStore:
    """Filters in ``folder``, which only root may write; ``version`` is of the runtime that compiles."""

    def __init__(self, folder: Path, version: str) -> None:
        self._folder = folder
        self._version = version
        self._encoded: dict[str, str] = {}

    def key(self, spec: dict[str, Any]) -> str | None:
        """Names the filter that ``spec`` wants; ``None`` when it wants none."""
        profile = spec.get("linux", {}).get("seccomp")
        if not profile:
            return None
        return hashlib.sha256(self._version.encode() + b"\0" + msgspec.json.encode(profile)).hexdigest()

    def annotate(self, spec: dict[str, Any], key: str) -> bool:
        """Put the filter into ``spec`` if it is there."""
        if key not in self._encoded:
            with contextlib.suppress(FileNotFoundError):
                self._encoded[key] = base64.b64encode((self._folder / key).read_bytes()).decode()
        if key not in self._encoded:
            return False
        spec["annotations"] = {**spec.get("annotations", {}), _ANNOTATION: self._encoded[key]}
        return True

    def keep(self, key: str, compiled: Path) -> None:
        """Take the filter that the runtime compiled for ``key``. One that is not there is no error."""
        with contextlib.suppress(FileNotFoundError):
            data = compiled.read_bytes()
            if data and len(data) % _INSTRUCTION == 0:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                atomic_write(self._folder / key, data, 0o600)
