"""The build as a graph of vertices (contract, pure).

A vertex is an operation on the results of its inputs. Its ID is the digest of its definition and of its inputs'
IDs, so equal vertices are one, within a build and across builds. File system operations yield a
:class:`Rootfs`; sources yield files to copy from. Operations refer to inputs by their index.
"""

import hashlib
from typing import NewType

import msgspec

from pier.build.dockerfile.ast import Location
from pier.oci.digest import Digest
from pier.oci.image import ExecutionConfig, HistoryEntry, chain_ids
from pier.oci.platform import Platform

VertexId = NewType("VertexId", str)
"""``sha256:...`` of the definition."""


class Operation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all. Equal operations on equal inputs give the same result, or one that may stand for it."""


class ImageSource(Operation, frozen=True, kw_only=True, tag="image"):
    """A resolved image's root file system. ``reference`` is what the user wrote, in canonical form."""

    reference: str
    image_id: Digest
    diff_ids: tuple[Digest, ...]


class LocalSource(Operation, frozen=True, kw_only=True, tag="local"):
    """A folder of the client's, by the session's name for it (``context``, a named context's name).

    ``paths``: what the steps of this build can read, as patterns; empty for all of it. ``exclude``: .dockerignore.
    """

    name: str
    paths: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


class GitSource(Operation, frozen=True, kw_only=True, tag="git"):
    """``ref``: a branch, tag, ref or commit, empty for the remote's HEAD. ``folder`` is below the repository's root."""

    url: str
    ref: str = ""
    folder: str = ""
    keep_git_dir: bool = False
    checksum: str = ""


class HttpSource(Operation, frozen=True, kw_only=True, tag="http"):
    """One file by URL. ``checksum``: ``sha256:...``, checked where given. ``name``: what the file is called."""

    url: str
    name: str
    checksum: str = ""


class CopyItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """``path``: a pattern below the root of ``input``; or, without input, the name of a file with ``content``.

    ``unpack``: an archive found there is unpacked instead of copied.
    """

    path: str
    input: int | None = None
    content: str | None = None
    unpack: bool = False


class ClassicRules(msgspec.Struct, frozen=True):
    """What the classic builder refuses of a copy: sources that all match nothing, owners that nobody knows.

    ``keyword`` names the instruction in messages; ``single``: more than one match is refused too.
    """

    keyword: str
    single: bool = False


class Copy(Operation, frozen=True, kw_only=True, tag="copy"):
    """COPY and ADD: one layer on ``base`` (or on nothing: ``--link``).

    ``dest`` is absolute and clean; it ends in ``/`` where it must be a folder. ``chown``: ``user[:group]``, names or
    numbers, empty for 0:0 (from a context) or as it is. ``chmod``: octal or symbolic, empty for as it is.
    """

    items: tuple[CopyItem, ...]
    dest: str
    base: int | None = None
    chown: str = ""
    chmod: str = ""
    parents: bool = False
    exclude: tuple[str, ...] = ()
    classic: ClassicRules | None = None


class Mkdir(Operation, frozen=True, kw_only=True, tag="mkdir"):
    """WORKDIR: make the folder and those above it where they are missing; one layer, empty where all were there."""

    path: str
    base: int | None = None


class Merge(Operation, frozen=True, kw_only=True, tag="merge"):
    """The layers of input ``upper`` on top of those of input ``base``: COPY --link.

    ``dest`` is where ``upper`` was copied to, as in :class:`Copy`, and ``name`` what the source is called: should
    the base have something at ``dest``, what was copied comes to lie as a plain copy would.
    """

    upper: int
    base: int | None = None
    dest: str = ""
    name: str = ""


class Mount(msgspec.Struct, frozen=True, omit_defaults=True):
    """``RUN --mount``, checked and complete. ``type``: bind, cache, tmpfs, secret, ssh.

    bind, and cache with a ``from``: ``source`` is a path below the root of ``input``. ``sharing``: shared, private,
    locked. ``mode`` of -1 is the type's default. ``env``: the secret as this variable. ``size``: bytes, 0 for no limit.
    """

    type: str
    target: str = ""
    input: int | None = None
    source: str = ""
    read_only: bool = False
    id: str = ""
    sharing: str = "shared"
    required: bool = False
    env: str = ""
    mode: int = -1
    uid: int = 0
    gid: int = 0
    size: int = 0


class InlineFile(msgspec.Struct, frozen=True):
    """A here-document that a RUN executes: an executable file at ``target``."""

    target: str
    content: str


class Exec(Operation, frozen=True, kw_only=True, tag="exec"):
    """RUN: one layer on ``base``.

    ``args`` are complete (shell included). ``env`` are ``NAME=value`` as the image has them with the build's own
    arguments. ``user``: as USER has it. ``network``: default, none, host. ``security``: sandbox, insecure.
    ``hostname``: empty for the usual one.
    """

    args: tuple[str, ...]
    base: int | None = None
    env: tuple[str, ...] = ()
    cwd: str = "/"
    user: str = ""
    mounts: tuple[Mount, ...] = ()
    files: tuple[InlineFile, ...] = ()
    network: str = "default"
    security: str = "sandbox"
    hostname: str = ""


Op = ImageSource | LocalSource | GitSource | HttpSource | Copy | Mkdir | Merge | Exec


class Vertex(msgspec.Struct, frozen=True):
    """``name`` is what progress shows (``[build 2/5] RUN make``). What follows it does not make the identity.

    ``environment`` are variables of a step that do not change what it makes (proxies). ``uncached``: run it, whatever
    the cache has (``--no-cache``, ``--no-cache-filter``).
    """

    id: VertexId
    op: Op
    inputs: tuple[VertexId, ...]
    name: str
    platform: Platform
    location: Location | None = None
    environment: tuple[str, ...] = ()
    uncached: bool = False


def vertex_id(op: Op, inputs: tuple[VertexId, ...], platform: Platform) -> VertexId:
    definition = msgspec.json.encode((op, inputs, str(platform)))
    return VertexId("sha256:" + hashlib.sha256(definition).hexdigest())


class Target(msgspec.Struct, frozen=True):
    """One image that is to come out: its file system (None: an empty one) and everything of its config but the layers.

    ``history`` begins with the base image's; each entry that is not ``empty_layer`` stands for a layer, in order.
    New entries have no ``created``: the exporter sets it. ``base``: the name of the last FROM image, if any.
    """

    platform: Platform
    root: VertexId | None
    config: ExecutionConfig
    history: tuple[HistoryEntry, ...] = ()
    author: str = ""
    base: str = ""


class Graph(msgspec.Struct, frozen=True):
    """``vertices`` holds inputs before those that need them, and only what the targets need."""

    vertices: dict[VertexId, Vertex]
    targets: tuple[Target, ...]


class Rootfs(msgspec.Struct, frozen=True):
    """A root file system: layers, bottom first, by their diff IDs. They are in the snapshotter once materialized."""

    diff_ids: tuple[Digest, ...] = ()

    @property
    def chain(self) -> Digest | None:
        return chain_ids(self.diff_ids)[-1] if self.diff_ids else None
