"""A root file system of Debian (or Ubuntu), made by mmdebstrap from the host's own apt sources.

The archives, the proxy and the authorities that the host trusts go into the image, so that apt works in its
containers as it does on the host.
"""

import asyncio
import os
import re
import shlex
import signal
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pier.errors import InvalidArgument, NoSpace, NotFound, Unavailable, Unsupported
from pier.images import aptsources
from pier.images.deps import Progress
from pier.images.tinytar import tar_entry
from pier.linux import process
from pier.linux.pipes import Reader
from pier.linux.process import Child
from pier.linux.trees import remove_tree

ORIGINS: Final = {"debian": "Debian", "ubuntu": "Ubuntu"}

_SUITE: Final = re.compile(r"[a-z][a-z0-9.-]{0,40}")
_BUNDLE: Final = Path("/etc/ssl/certs/ca-certificates.crt")
_SHIPPED: Final = Path("/usr/share/ca-certificates")
_NO_SERVICES: Final = b"#!/bin/sh\n# Packages do not start services in a container.\nexit 101\n"
_DPKG: Final = (
    "force-unsafe-io",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/locale.alias",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
)
_STEPS: Final = tuple(
    f"I: {verb}" for verb in ("running apt-get", "downloading", "extracting", "installing", "cleaning", "creating")
)
_TOLD: Final = 40
_CLEANING: Final = 30.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What mmdebstrap is to do. ``argv`` writes a tar on standard output."""

    suite: str
    sources: tuple[aptsources.Source, ...]
    argv: tuple[str, ...]
    environment: dict[str, str]


async def plan(distribution: str, suite: str, scratch: Path) -> Plan:
    """Decide from the host's apt settings; ``scratch`` is an empty folder for what is to be copied in.

    Raises InvalidArgument for a bad suite, Unsupported where the host has no archive of the distribution.
    """
    if suite and not _SUITE.fullmatch(suite):
        raise InvalidArgument(f"invalid suite {suite!r}: it is a name such as bookworm")
    targets = await _ask("apt-get", "indextargets", "--format", aptsources.TARGET_FORMAT, "Created-By: Packages")
    configuration = await _ask("apt-config", "dump", "Acquire")
    sources = aptsources.host_sources(targets, ORIGINS[distribution])
    suite = suite or aptsources.host_suite(sources)
    chosen = aptsources.for_suite(sources, suite)
    if not chosen:
        raise Unsupported(f"this host has no apt sources of {ORIGINS[distribution]} to make an image from")
    await asyncio.to_thread(_fill, scratch)
    options = [f"--aptopt={line}" for line in aptsources.carried_options(configuration)]
    options += [f"--dpkgopt={line}" for line in _DPKG]
    hooks = [f"copy-in {shlex.quote(str(scratch / 'usr'))} /", 'chroot "$1" update-ca-certificates >/dev/null 2>&1']
    argv = ["mmdebstrap", "--variant=minbase", "--include=ca-certificates", "--format=tar", *options]
    argv += [f"--customize-hook={hook}" for hook in hooks]
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TMPDIR": str(scratch)}
    environment |= aptsources.loopback_proxies(configuration)
    lines = [source.line() for source in chosen]
    return Plan(suite, tuple(chosen), (*argv, suite, "-", *lines), environment)


async def _ask(*argv: str) -> str:
    try:
        finished = await process.run(argv, timeout=60)
    except FileNotFoundError as error:
        raise Unsupported(f"{argv[0]} is not there: a base image is made from a Debian host's apt sources") from error
    if finished.returncode:
        raise Unavailable(f"{' '.join(argv[:2])} failed: {finished.stderr.decode(errors='replace').strip()}")
    return finished.stdout.decode(errors="replace")


def _fill(scratch: Path) -> None:
    authorities = scratch / "usr" / "local" / "share" / "ca-certificates"
    authorities.mkdir(parents=True)
    if _BUNDLE.exists():
        shipped = [path.read_text(errors="replace") for path in _SHIPPED.rglob("*.crt")]
        extra = aptsources.extra_authorities(_BUNDLE.read_text(errors="replace"), shipped)
        for number, pem in enumerate(extra, 1):
            (authorities / f"host-{number}.crt").write_text(pem + "\n")
    for folder in (scratch, *scratch.rglob("*")):
        if folder.is_dir():
            folder.chmod(0o755)


class Bootstrapping:
    """A running mmdebstrap: iterate over its tar, to the end."""

    def __init__(self, decided: Plan, progress: Progress) -> None:
        self._plan = decided
        self._progress = progress
        self._told: list[str] = []

    async def tar(self) -> AsyncGenerator[bytes, None]:
        """Raises Unsupported without mmdebstrap, NotFound for an unknown suite, Unavailable for other failures."""
        output, messages = Reader(), Reader()
        try:
            child = await process.spawn(
                self._plan.argv,
                stdout=output.theirs,
                stderr=messages.theirs,
                env=self._plan.environment,
                new_session=True,
            )
        except FileNotFoundError as error:
            raise Unsupported("mmdebstrap is not installed on this host: install the package mmdebstrap") from error
        finally:
            output.close_theirs()
            messages.close_theirs()
        listening = asyncio.create_task(self._listen(messages))
        try:
            yield tar_entry("usr/sbin/policy-rc.d", 0o755, _NO_SERVICES)  # mmdebstrap removes its own at the end
            async with aclosing(output.chunks()) as pieces:
                async for data in pieces:
                    yield data
            returncode = await child.wait()
            await listening
            if returncode:
                raise self._failure()
        finally:
            await _end(child)
            listening.cancel()
            await asyncio.wait([listening])

    async def _listen(self, messages: Reader) -> None:
        async for line in messages.lines():
            self._told = [*self._told[1 - _TOLD :], line]
            if line.startswith(_STEPS):
                self._progress({"status": line[3:].rstrip(".").capitalize()})

    def _failure(self) -> Exception:
        text = "\n".join(self._told)
        where = ", ".join(dict.fromkeys(source.uri for source in self._plan.sources))
        if "No space left on device" in text:
            return NoSpace("no space left on device while the image was made")
        if "does not have a Release file" in text or re.search(r"\b404\b", text):
            return NotFound(f"suite {self._plan.suite} is not to be found at {where}")
        lines = [line for line in self._told if line.startswith(("E:", "Err:"))] or self._told[-3:]
        return Unavailable(f"mmdebstrap failed for {self._plan.suite} from {where}: {' '.join(lines)[-600:]}")


async def _end(child: Child) -> None:
    """Ask it to clean up after itself, and wait until it has."""
    child.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(asyncio.shield(child.wait()), _CLEANING)
    except TimeoutError:
        child.send_signal(signal.SIGKILL)
        await child.wait()


def clear(scratch: Path) -> None:
    """Remove what is left of a build. Blocks."""
    remove_tree(scratch)
