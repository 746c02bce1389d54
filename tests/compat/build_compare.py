"""The real builds on two engines at once, by every client that builds, compared to the last path.

    DOCKER_CONFIG=<with buildx and compose> python -m tests.compat.build_compare OURS THEIRS [--record]

OURS and THEIRS are addresses (``unix:///...``); ours has ``debian`` (``pier image bootstrap debian``), and all base
images are carried from ours to theirs, so that the layers below are the same. ``--record`` writes what is stable of
theirs to ``builds/real``, for ``test_real_builds``. Ends with 1 where anything differs.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import docker

from tests.compat.build_differences import Facts, differences, facts
from tests.compat.build_pictures import BASE, EXACT
from tests.compat.docker_cli import Docker
from tests.compat.pier_cli import Pier
from tests.compat.real_builds import PACKAGES, PROJECTS, TIME, extent, picture, picture_file, prepared, without_syntax
from tests.compat.rootfs import busybox_rootfs
from tests.compat.saved_images import saved

LONG: Final = 900.0
_NEW: Final = 86_400
Builder = Callable[[Docker, str, Path], None]


def with_docker(cli: Docker, tag: str, project: Path) -> None:
    cli("build", "-q", "--no-cache", "-t", tag, str(project), timeout=LONG)


def with_pier(cli: Docker, tag: str, project: Path) -> None:
    """The command ``pier`` where the engine is ours; the other one's has to be buildx."""
    ours = cli.host == sys.argv[1]
    with_docker(Pier(cli.host, Path(os.environ["DOCKER_CONFIG"]), cli.label) if ours else cli, tag, project)


def with_classic(cli: Docker, tag: str, project: Path) -> None:
    cli("build", "-q", "--no-cache", "-t", tag, str(project), timeout=LONG, env={"DOCKER_BUILDKIT": "0"})


def with_docker_py(cli: Docker, tag: str, project: Path) -> None:
    client = docker.DockerClient(base_url=cli.host, timeout=int(LONG))
    client.images.build(path=str(project), tag=tag, nocache=True, rm=True)
    client.close()


def with_compose(cli: Docker, tag: str, project: Path) -> None:
    file = project.parent / f"{project.name}.yaml"
    file.write_text(json.dumps({"services": {"it": {"image": tag, "build": {"context": str(project)}}}}))
    cli("compose", "-f", str(file), "-p", "compared", "build", "--no-cache", timeout=LONG)


CLIENTS: Final[dict[str, Builder]] = {
    "pier": with_pier,
    "buildx": with_docker,
    "compose": with_compose,
    "classic": with_classic,
    "docker-py": with_docker_py,
}
_CLASSIC: Final = ("classic", "docker-py")


class Comparison:
    def __init__(self, ours: Docker, theirs: Docker) -> None:
        self.engines = (ours, theirs)
        self.since = time.time() - _NEW

    def packages(self, folder: Path) -> None:
        """``builds/apt`` on both; then theirs get our images under the names that the projects begin from."""
        self._carry("debian")
        project = prepared("apt", folder)
        without_syntax(project)
        for name in PACKAGES:
            for cli in self.engines:
                cli("build", "-q", "--no-cache", "--target", name, "-t", f"real-apt-{name}", str(project), timeout=LONG)
        for name in PACKAGES:
            self.engines[0]("tag", f"real-apt-{name}", name)
        self._carry(*PACKAGES)

    def _carry(self, *images: str) -> None:
        ours, theirs = self.engines
        with tempfile.TemporaryFile() as file:
            for command, cli, stream in (("save", ours, "stdout"), ("load", theirs, "stdin")):
                file.seek(0)
                with cli.spawn(command, *(images if command == "save" else ()), **{stream: file}) as child:
                    said = child.communicate()
                assert child.returncode == 0, said

    def compared(self, image: str, base: str, *, classic: bool = False) -> tuple[int, list[str]]:
        """How many facts there are of ``image`` on ours, and how theirs differ."""
        ours, theirs = (self._facts(cli, image, base, classic=classic) for cli in self.engines)
        return len(ours), list(differences(ours, theirs))

    def _facts(self, cli: Docker, image: str, base: str, *, classic: bool) -> Facts:
        entries, layers = extent(cli, base)
        found = saved(cli, image, below=layers, since=self.since)
        return facts(cli, image, found, entries, classic=classic)

    def run(self, folder: Path) -> Iterator[tuple[str, int, list[str]]]:
        self.packages(folder)
        for name in PACKAGES:
            yield f"apt {name}", *self.compared(f"real-apt-{name}", "debian")
        for name, project in PROJECTS.items():
            context = prepared(name, folder)
            for client, build in CLIENTS.items():
                if client in _CLASSIC and not project.classic:
                    continue
                tag = f"real-{client}-{name}"
                for cli in self.engines:
                    build(cli, tag, context)
                yield f"{name} with {client}", *self.compared(tag, project.base, classic=client in _CLASSIC)
        yield from self._exact(folder)

    def _exact(self, folder: Path) -> Iterator[tuple[str, int, list[str]]]:
        """Those of ``test_builds``, whose pictures have the files only, here with layers and times."""
        for cli in self.engines:
            cli("import", "-c", 'CMD ["sh"]', "-", BASE, stdin=busybox_rootfs())
        for name in EXACT:
            context = prepared(name, folder)
            text = (context / "Dockerfile").read_text()
            (context / "Dockerfile").write_text(text.replace("BASE=busybox", f"BASE={BASE}"))
            os.utime(context / "Dockerfile", (TIME, TIME))
            for client in ("pier", "buildx"):
                tag = f"real-{client}-{name}"
                for cli in self.engines:
                    CLIENTS[client](cli, tag, context)
                yield f"{name} with {client}", *self.compared(tag, BASE)

    def record(self) -> None:
        theirs = self.engines[1]
        images = {name: f"real-buildx-{name}" for name in PROJECTS}
        for name, image in (images | {f"apt-{each}": f"real-apt-{each}" for each in PACKAGES}).items():
            picture_file(name).parent.mkdir(exist_ok=True)
            found = json.dumps(picture(theirs, image, name), indent=1, sort_keys=True)
            picture_file(name).write_text(found + "\n")

    def remove(self) -> None:
        for cli in self.engines:
            cli("rmi", "-f", *PACKAGES, *cli("images", "-q", "--filter", "reference=real-*").lines)


def main() -> int:
    program, config = shutil.which("docker") or "docker", Path(os.environ["DOCKER_CONFIG"])
    ours, theirs = (Docker(program, host, config, "pier.compared=1") for host in sys.argv[1:3])
    comparison = Comparison(ours, theirs)
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="pier-compare-") as folder:
        for what, count, different in comparison.run(Path(folder)):
            wrong += len(different)
            print(f"{what}: {count} facts, {len(different)} differences", *different, sep="\n    ", flush=True)
    if "--record" in sys.argv:
        comparison.record()
    comparison.remove()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
