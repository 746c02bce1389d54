"""What ``scripts/bench`` times of shipping: an image of 8 layers and 900 MB to and from a registry, and an archive.

The registry is Debian's Distribution on loopback. A push goes to one that has never seen the image.
"""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

PROGRAM = "/usr/bin/docker-registry"


class Side(Protocol):
    def __call__(self, *args: str) -> bytes: ...
    def try_(self, *args: str) -> None: ...


class Registry:
    """A Distribution registry that keeps what it is given until it is closed."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.host = f"127.0.0.1:{port}"
        self._home = folder / f"registry-{port}"
        self._home.mkdir(parents=True)
        config = {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self._home / "storage")}},
            "http": {"addr": self.host},
        }
        (self._home / "config.json").write_text(json.dumps(config))  # JSON is YAML
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen([PROGRAM, "serve", self._home / "config.json"], stdout=quiet, stderr=quiet)
        while not self._answers(port):
            if self._process.poll() is not None:
                raise SystemExit(f"bench: {PROGRAM} ended with code {self._process.returncode}")
            time.sleep(0.02)

    @staticmethod
    def _answers(port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        shutil.rmtree(self._home)


class Ship:
    """Rows over the archive of an image, ``image``. Call ``close`` at the end."""

    def __init__(self, folder: Path, archive: Path, image: str) -> None:
        self._folder = folder
        self._archive = archive
        self._image = image
        self._registry: Registry | None = None

    def close(self) -> None:
        if self._registry:
            self._registry.close()

    def pull(self, side: Side) -> float:
        name = self._stocked(side)
        side.try_("rmi", "-f", name)
        os.sync()
        taken = _seconds(side, "pull", "-q", name)
        side("rmi", "-f", name)
        return taken

    def again(self, side: Side) -> float:
        name = self._stocked(side)
        side("pull", "-q", name)
        taken = _seconds(side, "pull", "-q", name)
        side("rmi", "-f", name)
        return taken

    def push(self, side: Side) -> float:
        registry = Registry(self._folder)
        name = f"{registry.host}/bench:1"
        try:
            side("load", "-q", "-i", str(self._archive))
            side("tag", self._image, name)
            os.sync()
            return _seconds(side, "push", "-q", name)
        finally:
            side.try_("rmi", "-f", name, self._image)
            registry.close()

    def save(self, side: Side) -> float:
        side("load", "-q", "-i", str(self._archive))
        target = self._folder / "saved.tar"
        os.sync()
        taken = _seconds(side, "save", "-o", str(target), self._image)
        target.unlink()
        side("rmi", "-f", self._image)
        return taken

    def load(self, side: Side) -> float:
        os.sync()
        taken = _seconds(side, "load", "-q", "-i", str(self._archive))
        side("rmi", "-f", self._image)
        return taken

    def _stocked(self, side: Side) -> str:
        """The image's name in a registry that has it."""
        if self._registry is None:
            self._registry = Registry(self._folder)
            name = f"{self._registry.host}/bench:1"
            side("load", "-q", "-i", str(self._archive))
            side("tag", self._image, name)
            side("push", "-q", name)
            side("rmi", "-f", name, self._image)
        return f"{self._registry.host}/bench:1"


def _seconds(side: Side, *args: str) -> float:
    began = time.perf_counter()
    side(*args)
    return time.perf_counter() - began


NAMES = ("pull", "again", "push", "save", "load")


def rows(ship: Ship, size: str) -> dict[str, tuple[str, Callable[[Side], float]]]:
    """Titles and measurements by name. ``size`` tells of the image."""
    return {
        "pull": (f"`pull`, {size}", ship.pull),
        "again": ("… that is here", ship.again),
        "push": ("`push` to a registry that has none of it", ship.push),
        "save": ("`save`", ship.save),
        "load": ("`load`", ship.load),
    }
