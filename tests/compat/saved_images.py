"""An image as ``docker save`` gives it, layer by layer, in a form that two engines' images can be compared in."""

import hashlib
import json
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.compat.docker_cli import Docker

Layer = dict[str, str]
"""What one layer says: a line a path (type, mode, owner, time, what it holds or leads to, extended attributes)."""


@dataclass(frozen=True)
class Saved:
    """The image's config as it is stored, and what is in each layer; ``added`` are those above a base."""

    config: Mapping[str, Any]
    layers: tuple[Layer, ...]

    @property
    def diff_ids(self) -> list[str]:
        found: list[str] = self.config["rootfs"]["diff_ids"]
        return found


def saved(cli: Docker, image: str, *, below: int = 0, since: float = 0) -> Saved:
    """Read ``image`` without its first ``below`` layers. A time of ``since`` or later is written as ``new``."""
    with tempfile.TemporaryFile() as file:
        with cli.spawn("save", image, stdout=file) as child:
            _, said = child.communicate()
        assert child.returncode == 0, said.decode()
        file.seek(0)
        with tarfile.open(fileobj=file) as archive:
            manifest = json.loads(_read(archive, "manifest.json"))[0]
            config = json.loads(_read(archive, manifest["Config"]))
            layers = tuple(dict(_lines(archive, name, since)) for name in manifest["Layers"][below:])
    return Saved(config, layers)


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    assert member, name
    return member.read()


def _lines(archive: tarfile.TarFile, name: str, since: float) -> Iterator[tuple[str, str]]:
    member = archive.extractfile(name)
    assert member, name
    with tarfile.open(fileobj=member) as layer:
        for info in layer:
            yield info.name.rstrip("/"), line(layer, info, since)


def line(tar: tarfile.TarFile, info: tarfile.TarInfo, since: float) -> str:
    """All that counts of one entry."""
    kind = next(name for name in ("isreg", "isdir", "issym", "islnk", "isfifo", "isdev") if getattr(info, name)())
    time = "new" if since and info.mtime >= since else str(int(info.mtime))
    content = tar.extractfile(info) if info.isreg() else None
    held = hashlib.sha256(content.read()).hexdigest()[:16] if content else info.linkname
    xattrs = {key: value for key, value in info.pax_headers.items() if key.startswith("SCHILY.xattr.")}
    device = f"{info.devmajor}:{info.devminor}" if info.isdev() and not info.isfifo() else ""
    words = (kind[2:], oct(info.mode), f"{info.uid}:{info.gid}", time, held, device, xattrs or "")
    return " ".join(str(word) for word in words if word)
