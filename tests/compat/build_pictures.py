"""What a build made, as a value that two engines can be compared by.

The pictures of the real Docker lie beside the projects in ``builds/``; they are taken with

    DOCKER_HOST=unix:///var/run/docker.sock python -m tests.compat.build_pictures
"""

import hashlib
import json
import os
import shutil
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from tests.compat.docker_cli import Docker
from tests.compat.rootfs import busybox_rootfs

BUILDS: Final = Path(__file__).with_name("builds")
EXACT: Final = ("words", "copies", "settings", "mounts", "monorepo")
"""Those that need no network: everything about them is known."""
BASE: Final = "testbox"
_STUBS: Final = ("dev/", "proc/", "sys/", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab", ".dockerenv")


def picture(cli: Docker, image: str) -> dict[str, Any]:
    """Configuration, history and file tree of ``image``; no times, no digests of layers."""
    inspected = json.loads(cli("image", "inspect", image).out)[0]
    history = cli("history", "--no-trunc", "--format", "{{json .}}", image).lines
    steps = [json.loads(line) for line in reversed(history)]
    return {
        "config": {key: value for key, value in inspected["Config"].items() if value and key not in ("Image",)},
        "author": inspected.get("Author", ""),
        "layers": len(inspected["RootFS"]["Layers"]),
        "history": [f"{step['CreatedBy']} # {step['Comment']}" for step in steps],
        "tree": tree(cli, image),
    }


def tree(cli: Docker, image: str) -> dict[str, str]:
    """One line a path: type, mode, owner, what it holds or leads to, extended attributes."""
    container = cli("create", image, "x").out
    try:
        exported = cli("export", container).stdout
    finally:
        cli("rm", container)
    with tarfile.open(fileobj=BytesIO(exported)) as tar:
        return {info.name: _line(tar, info) for info in tar if not info.name.startswith(_STUBS)}


def _line(tar: tarfile.TarFile, info: tarfile.TarInfo) -> str:
    kind = next(name for name in ("isreg", "isdir", "issym", "islnk", "isfifo", "isdev") if getattr(info, name)())
    content = tar.extractfile(info) if info.isreg() else None
    held = hashlib.sha256(content.read()).hexdigest()[:16] if content else info.linkname
    xattrs = {key: value for key, value in info.pax_headers.items() if key.startswith("SCHILY.xattr.")}
    return " ".join(map(str, (kind[2:], oct(info.mode), f"{info.uid}:{info.gid}", held, xattrs or ""))).strip()


def build(cli: Docker, name: str, tag: str, *flags: str) -> None:
    """Build the project; of files in a checkout only the contents are sure, so modes are set first."""
    folder = Path(tempfile.mkdtemp(prefix="pier-build-"))
    try:
        project = shutil.copytree(BUILDS / name, folder / name, symlinks=True)
        for path in sorted(project.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.name == "two.txt" else 0o644)
        cli("build", "-t", tag, "--build-arg", f"BASE={BASE}", *flags, str(project), timeout=600)
    finally:
        shutil.rmtree(folder)


def main() -> None:
    program = shutil.which("docker") or "docker"
    cli = Docker(program, os.environ["DOCKER_HOST"], Path(os.environ.get("DOCKER_CONFIG", "/root/.docker")), "pictures")
    cli("import", "-c", 'CMD ["sh"]', "-", BASE, stdin=busybox_rootfs())
    for name in sys.argv[1:] or EXACT:
        build(cli, name, f"picture-{name}", "--no-cache")
        found = picture(cli, f"picture-{name}")
        (BUILDS / f"{name}.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
        cli("rmi", "-f", f"picture-{name}")


if __name__ == "__main__":
    main()
