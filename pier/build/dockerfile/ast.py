"""The Dockerfile as typed instructions (Dockerfile reference, ``docker/dockerfile:1`` with labs).

Words are as written: variables are not expanded and quotes not removed where expansion comes later
(``dockerfile.shell`` does both in one go). ``text`` is the instruction as the user wrote it, continuation lines
joined, without here-documents: what progress and history show.
"""

from typing import Literal

import msgspec


class Location(msgspec.Struct, frozen=True):
    """Lines, counted from 1, both inclusive."""

    file: str
    first: int
    last: int


class Heredoc(msgspec.Struct, frozen=True):
    """``<<NAME``: ``expand`` is false where the name was quoted. Tabs that ``<<-`` strips are gone."""

    name: str
    content: str
    expand: bool = True


class Command(msgspec.Struct, frozen=True):
    """RUN, CMD, ENTRYPOINT. ``shell``: one word, for the shell (here-documents' marks still in it); else the words."""

    words: tuple[str, ...]
    shell: bool
    heredocs: tuple[Heredoc, ...] = ()


class Pair(msgspec.Struct, frozen=True):
    """``value`` is None where there is none (``ARG name``)."""

    name: str
    value: str | None = None


class Instruction(msgspec.Struct, frozen=True, kw_only=True):
    """For the linter: ``comments`` stand right before it; ``gap``: an empty line is among its continuation lines."""

    location: Location
    text: str
    comments: tuple[str, ...] = ()
    gap: bool = False


class From(Instruction, frozen=True, kw_only=True):
    image: str
    platform: str = ""
    name: str = ""


class Arg(Instruction, frozen=True, kw_only=True):
    pairs: tuple[Pair, ...]


class Env(Instruction, frozen=True, kw_only=True):
    """``legacy``: ``ENV name value``."""

    pairs: tuple[Pair, ...]
    legacy: bool = False


class Label(Instruction, frozen=True, kw_only=True):
    pairs: tuple[Pair, ...]
    legacy: bool = False


class Run(Instruction, frozen=True, kw_only=True):
    """``mounts`` are the values of ``--mount``; see ``dockerfile.mounts``."""

    command: Command
    mounts: tuple[str, ...] = ()
    network: str = ""
    security: str = ""


class Transfer(Instruction, frozen=True, kw_only=True):
    """What COPY and ADD share. ``heredocs`` stand for the sources that begin with ``<<``, in their order."""

    sources: tuple[str, ...]
    dest: str
    chown: str = ""
    chmod: str = ""
    link: bool = False
    exclude: tuple[str, ...] = ()
    heredocs: tuple[Heredoc, ...] = ()


class Copy(Transfer, frozen=True, kw_only=True):
    from_: str = ""
    parents: bool = False


class Add(Transfer, frozen=True, kw_only=True):
    """``unpack`` is None where nothing was said: local archives are unpacked, remote files are not."""

    checksum: str = ""
    keep_git_dir: bool = False
    unpack: bool | None = None


class Workdir(Instruction, frozen=True, kw_only=True):
    path: str


class User(Instruction, frozen=True, kw_only=True):
    user: str


class Volume(Instruction, frozen=True, kw_only=True):
    paths: tuple[str, ...]


class Expose(Instruction, frozen=True, kw_only=True):
    ports: tuple[str, ...]


class Cmd(Instruction, frozen=True, kw_only=True):
    command: Command


class Entrypoint(Instruction, frozen=True, kw_only=True):
    command: Command


class Shell(Instruction, frozen=True, kw_only=True):
    words: tuple[str, ...]


class Healthcheck(Instruction, frozen=True, kw_only=True):
    """``command`` is None for ``HEALTHCHECK NONE``. Durations in nanoseconds, 0 where not given."""

    command: Command | None
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class StopSignal(Instruction, frozen=True, kw_only=True):
    signal: str


class Maintainer(Instruction, frozen=True, kw_only=True):
    name: str


class Onbuild(Instruction, frozen=True, kw_only=True):
    """``trigger`` is the instruction's own text, parsed when an image FROM this one is built."""

    trigger: str


class Stage(msgspec.Struct, frozen=True):
    start: From
    instructions: tuple[Instruction, ...]


class Warning(msgspec.Struct, frozen=True):
    """A finding of the linter: ``rule`` is Docker's name (``StageNameCasing``), ``url`` where it is explained."""

    rule: str
    message: str
    location: Location
    description: str = ""
    url: str = ""


class Dockerfile(msgspec.Struct, frozen=True):
    """``args`` stand before the first FROM. ``check`` is the directive's value. ``sources``: the text by file,
    the included ones too. INCLUDE is gone: what it named stands in its place, with its own locations."""

    file: str
    sources: dict[str, str]
    args: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    escape: Literal["\\", "`"] = "\\"
    syntax: str = ""
    check: str = ""
