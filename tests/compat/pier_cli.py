"""Driving ``pier`` as ``docker_cli`` drives ``docker``, and comparing what both say."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.compat.docker_cli import OWN_LOG, Docker, Result

PROGRAM = Path(__file__).resolve().parents[2] / "bin" / "pier"
ATTEMPTS = 4


class Pier(Docker):
    """``pier`` from this checkout, aimed at the engine under test."""

    def __init__(self, host: str, config: Path, label: str) -> None:
        super().__init__(str(PROGRAM), host, config, label)

    def argv(self, *args: str) -> list[str]:
        program, *rest = super().argv(*args)
        return [program, "-H", self.host, *rest]


@dataclass(frozen=True)
class Said:
    """What a user sees of a command; our own name is written as ``docker``."""

    code: int
    out: str
    err: str


def said(result: Result) -> Said:
    err = re.sub(r"\bpier\b", "docker", OWN_LOG.sub("", result.stderr.decode()))
    return Said(result.code, result.stdout.decode(), err)


ANY_CODE = set(range(256))


def both(docker: Docker, pier: Docker, *args: str, stdin: bytes | None = None) -> tuple[Said, Said]:
    """What each says. Ages in tables move between two calls: a few attempts may be needed for the same."""
    for _ in range(ATTEMPTS):
        theirs = said(docker(*args, code=ANY_CODE, stdin=stdin))
        ours = said(pier(*args, code=ANY_CODE, stdin=stdin))
        if theirs == ours:
            break
    return theirs, ours
