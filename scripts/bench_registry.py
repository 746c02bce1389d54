#!/usr/bin/env python3
"""Measure `pier registry serve` beside Debian's Distribution registry, in one run, and print a Markdown table.

    sudo scripts/bench_registry.py                 everything
    scripts/bench_registry.py --rounds 5 --only push,pull,manifests

The clients are the same for both: skopeo (and, as root, a Pier engine of its own) with an image of 8 layers and 900 MB
that does not compress; for small manifests, 8 connections of aiohttp. Each figure is the median of ``--rounds``
measurements taken in turn. Memory is PSS, the highest that was seen.
"""

import argparse
import asyncio
import gzip
import hashlib
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import aiohttp  # noqa: E402
from bench_ship import Registry as Distribution  # noqa: E402

from pier.testing.engine import running_engine  # noqa: E402
from pier.testing.registry import free_port  # noqa: E402

LAYERS, LAYER_MEGABYTES = 8, 113
MANIFESTS, CONNECTIONS = 1000, 8
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}


class Pier:
    """Our registry, with what it keeps in a folder of its own."""

    title = "Pier"

    def __init__(self, folder: Path) -> None:
        self.host = f"127.0.0.1:{free_port()}"
        self._home = folder / f"pier-{self.host.rpartition(':')[2]}"
        argv = [sys.executable, "-m", "pier.daemon.registry", "serve", "--root", str(self._home), "--listen", self.host]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        log = subprocess.DEVNULL
        self.process = subprocess.Popen(argv, env=environment, stderr=log, **QUIET)
        while not self._answers(int(self.host.rpartition(":")[2])):
            if self.process.poll() is not None:
                raise SystemExit(f"bench: {' '.join(argv)} ended with code {self.process.returncode}")
            time.sleep(0.02)

    _answers = staticmethod(Distribution._answers)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self._home)


class Other(Distribution):
    title = "Distribution"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        return self._process


Side = Pier | Other


def big_image(folder: Path) -> Path:
    """An OCI layout whose layers are as large as they say."""
    layout = folder / "image"
    (layout / "blobs/sha256").mkdir(parents=True)
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    layers, diffs = [], []
    for number in range(LAYERS):
        plain = io.BytesIO()
        with tarfile.open(fileobj=plain, mode="w") as archive:
            info = tarfile.TarInfo(f"layer-{number}")
            info.size = LAYER_MEGABYTES << 20
            archive.addfile(info, io.BytesIO(os.urandom(info.size)))
        diffs.append("sha256:" + hashlib.sha256(plain.getbuffer()).hexdigest())
        layers.append(_blob(layout, gzip.compress(plain.getbuffer(), 1, mtime=0), "layer.v1.tar+gzip"))
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diffs}, "config": {}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _blob(layout, json.dumps(config).encode(), "config.v1+json"),
        "layers": layers,
    }
    entry = _blob(layout, json.dumps(manifest).encode(), "manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": "1"}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return layout


def _blob(layout: Path, data: bytes, kind: str) -> dict[str, object]:
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(data)
    return {"mediaType": f"application/vnd.oci.image.{kind}", "size": len(data), "digest": f"sha256:{digest}"}


def skopeo(*words: str) -> float:
    began = time.perf_counter()
    subprocess.run(["skopeo", "copy", "-q", *words], check=True, **QUIET)
    return time.perf_counter() - began


def pier(host: str, *words: str) -> float:
    began = time.perf_counter()
    subprocess.run([ROOT / "bin/pier", "-H", host, *words], check=True, **QUIET)
    return time.perf_counter() - began


class Rows:
    """What is measured, in seconds: each method leaves things as it has found them, but for what was pushed."""

    def __init__(self, folder: Path, image: Path, engine: str) -> None:
        self._folder = folder
        self._image = image
        self._engine = engine
        self._turn = 0

    def push(self, side: Side) -> float:
        """To a registry that has nothing: the blobs are taken from it again."""
        fresh = type(side)(self._folder)
        try:
            os.sync()
            with peak(fresh):
                return skopeo("--dest-tls-verify=false", f"oci:{self._image}:1", f"docker://{fresh.host}/bench:1")
        finally:
            fresh.close()

    def pull(self, side: Side) -> float:
        target = self._folder / "pulled"
        os.sync()
        with peak(side):
            taken = skopeo("--src-tls-verify=false", f"docker://{side.host}/bench:1", f"dir:{target}")
        shutil.rmtree(target)
        return taken

    def engine_push(self, side: Side) -> float:
        fresh = type(side)(self._folder)
        name = f"{fresh.host}/bench:1"
        try:
            pier(self._engine, "pull", "-q", f"{side.host}/bench:1")
            pier(self._engine, "tag", f"{side.host}/bench:1", name)
            os.sync()
            return pier(self._engine, "push", "-q", name)
        finally:
            pier(self._engine, "rmi", "-f", name, f"{side.host}/bench:1")
            fresh.close()

    def engine_pull(self, side: Side) -> float:
        os.sync()
        taken = pier(self._engine, "pull", "-q", f"{side.host}/bench:1")
        pier(self._engine, "rmi", "-f", f"{side.host}/bench:1")
        return taken

    def push_cost(self, side: Side) -> float:
        """Seconds of processor that the server takes for a GB."""
        fresh = type(side)(self._folder)
        try:
            began = processor(fresh)
            skopeo("--dest-tls-verify=false", f"oci:{self._image}:1", f"docker://{fresh.host}/bench:1")
            return (processor(fresh) - began) / gigabytes(self._image)
        finally:
            fresh.close()

    def pull_cost(self, side: Side) -> float:
        """The same for a client that throws the layers away."""
        layers = [f"http://{side.host}/v2/bench/blobs/{digest}" for digest in blobs(self._image)]
        began = processor(side)
        subprocess.run(["curl", "-sf", *(word for url in layers for word in ("-o", "/dev/null", url))], check=True)
        return (processor(side) - began) / gigabytes(self._image)

    def manifests(self, side: Side) -> float:
        """Manifests a second: small ones, each with a tag of its own."""
        self._turn += 1
        with peak(side):
            return asyncio.run(many(side.host, f"small-{self._turn}"))


def blobs(image: Path) -> list[str]:
    return [f"sha256:{each.name}" for each in (image / "blobs/sha256").iterdir() if each.stat().st_size > 1 << 20]


def gigabytes(image: Path) -> float:
    return sum(each.stat().st_size for each in (image / "blobs/sha256").iterdir()) / 1e9


def processor(side: Side) -> float:
    """Seconds so far, of the process and of the kernel for it (proc(5), ``stat``)."""
    fields = Path(f"/proc/{side.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def many(host: str, name: str) -> float:
    async with aiohttp.ClientSession(f"http://{host}", connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session:
        blob = b"{}"
        digest = "sha256:" + hashlib.sha256(blob).hexdigest()
        async with session.post(f"/v2/{name}/blobs/uploads/") as begun:
            where = begun.headers["Location"]
        glue = "&" if "?" in where else "?"
        async with session.put(f"{where}{glue}digest={digest}", data=blob) as done:
            assert done.status == 201, await done.text()
        waiting = iter(range(MANIFESTS))
        began = time.perf_counter()
        await asyncio.gather(*(_put(session, name, digest, waiting) for _ in range(CONNECTIONS)))
        return MANIFESTS / (time.perf_counter() - began)


async def _put(session: aiohttp.ClientSession, name: str, digest: str, waiting: Iterator[int]) -> None:
    kind = "application/vnd.oci.image.manifest.v1+json"
    for number in waiting:
        config = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": digest}
        document = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [], "annotations": {}}
        document["annotations"] = {"number": str(number), "turn": name}
        body = json.dumps(document).encode()
        url = f"/v2/{name}/manifests/tag-{number}"
        async with session.put(url, data=body, headers={"Content-Type": kind}) as answer:
            assert answer.status == 201, await answer.text()


PEAKS: dict[str, int] = {}


@contextmanager
def peak(side: Side) -> Iterator[None]:
    """Look at the process's memory every 50 ms."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            PEAKS[side.title] = max(PEAKS.get(side.title, 0), pss(side.process.pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def pss(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))


TITLES = {
    "push": "push by skopeo, 8 layers, 900 MB",
    "pull": "pull by skopeo",
    "engine_push": "push by Pier",
    "engine_pull": "pull by Pier",
    "push_cost": "processor for a GB pushed",
    "pull_cost": "processor for a GB pulled",
    "manifests": "small manifests pushed a second",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(TITLES), help="rows, by name: " + ",".join(TITLES))
    options = parser.parse_args()
    wanted = [name for name in TITLES if name in options.only.split(",")]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp", prefix="bench-registry-")))
        image = big_image(folder)
        engine = ""
        if any(name.startswith("engine") for name in wanted):
            if os.geteuid() != 0:
                raise SystemExit("bench: an engine needs root: sudo scripts/bench_registry.py, or --only push,pull")
            (folder / "engine").mkdir()
            engine = stack.enter_context(running_engine(folder / "engine")).host
        sides: list[Side] = [Other(folder), Pier(folder)]
        for side in sides:
            stack.callback(side.close)
            skopeo("--dest-tls-verify=false", f"oci:{image}:1", f"docker://{side.host}/bench:1")
        rows = Rows(folder, image, engine)
        figures = {name: measured(getattr(rows, name), sides, options.rounds) for name in wanted}
    show(sides, figures)


def measured(work: Callable[[Side], float], sides: list[Side], rounds: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {side.title: [] for side in sides}
    for turn in range(rounds + 1):
        for side in sides if turn % 2 else reversed(sides):  # who comes first meets another disk
            value = work(side)
            if turn:  # the first is for the caches
                taken[side.title].append(value)
    found = {title: statistics.median(values) for title, values in taken.items()}
    print(f"bench: {work.__name__}: {found}", file=sys.stderr)
    return found


def show(sides: list[Side], figures: dict[str, dict[str, float]]) -> None:
    print("| | " + " | ".join(side.title for side in sides) + " |")
    print("|---|" + "---|" * len(sides))
    for name, row in figures.items():
        unit = "" if name == "manifests" else " s"
        print(
            f"| {TITLES[name]} | "
            + " | ".join(f"{row[side.title]:.{0 if not unit else 2}f}{unit}" for side in sides)
            + " |"
        )
    print("| most memory (PSS) | " + " | ".join(f"{PEAKS.get(side.title, 0) / 1e6:.0f} MB" for side in sides) + " |")


if __name__ == "__main__":
    main()
