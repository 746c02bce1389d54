"""For the tests of builds that go wrong: an engine of their own, and what a build may leave behind."""

import random
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from pier.testing.engine import RunningEngine, running_engine
from tests.compat.docker_cli import Docker, eventually
from tests.compat.rootfs import busybox_rootfs


@contextmanager
def engine_with_box(folder: Path, *flags: str) -> Iterator[RunningEngine]:
    """A daemon with an image ``box``, its data below ``folder``, which is made."""
    folder.mkdir(exist_ok=True)
    with running_engine(folder, flags) as engine:
        engine.import_image(busybox_rootfs(), "box")
        yield engine


def dockerfile(project: Path, *lines: str) -> str:
    (project / "Dockerfile").write_text("\n".join(lines) + "\n")
    return str(project)


def listing(pier: Docker, image: str) -> dict[str, tarfile.TarInfo]:
    """What is in the image, by path."""
    container = pier("create", image, "x").out
    exported = pier("export", container).stdout
    pier("rm", container)
    with tarfile.open(fileobj=BytesIO(exported)) as tar:
        return {info.name: info for info in tar}


def leftovers(engine: RunningEngine) -> list[str]:
    """Mounts below the engine's roots, folders, networks and processes of steps. No container may run."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    found = [path for path in mounts if path.startswith((f"{engine.root}/", f"{engine.run}/"))]
    folders = (engine.run / "build" / "steps", engine.run / "netns", Path("/sys/class/net", engine.bridge, "brif"))
    found += [str(each) for folder in folders if folder.exists() for each in folder.iterdir()]
    return found + [str(pid) for pid in alive(f"{engine.run}/build/steps")]


def settled(engine: RunningEngine) -> None:
    """Networks of steps are kept for a second."""
    left: list[str] = []

    def nothing() -> bool:
        left[:] = leftovers(engine)
        return not left

    eventually(nothing, left)


def seconds() -> str:
    """Years, for a sleep(1) that nobody else on this host calls: other runs of the same tests may be under way."""
    return str(random.randrange(10**8, 10**9))


def alive(marker: str) -> list[int]:
    """Processes of this host whose arguments contain ``marker``."""
    return [pid for pid, text in _arguments() if marker.encode() in text]


def in_session(leader: int) -> list[int]:
    """Processes that are in the session of ``leader``, which may be gone."""
    found = []
    for pid, _ in _arguments():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(pid)
    return found


def _arguments() -> Iterator[tuple[int, bytes]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                yield int(folder.name), (folder / "cmdline").read_bytes()
            except OSError:
                continue


def layers(engine: RunningEngine) -> list[str]:
    """The layers on disk."""
    return sorted(each.name for each in (engine.root / "overlay2").iterdir() if len(each.name) == 64)


def assert_sound(engine: RunningEngine, pier: Docker) -> None:
    """Nothing runs, is mounted or lies about, and the disk is as recorded."""
    settled(engine)
    assert pier("system", "fsck", code={0, 1}).out == "Everything that is recorded is there, and nothing else."


@contextmanager
def arguments() -> Iterator[set[bytes]]:
    """The command lines of all processes that there are meanwhile."""
    seen, over = set[bytes](), threading.Event()

    def look() -> None:
        while not over.wait(0.003):
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    seen.add((folder / "cmdline").read_bytes())
                except OSError:
                    continue

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()
