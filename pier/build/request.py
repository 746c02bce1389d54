"""What a client asks a build for (contract): values, JSON-able.

Every kind of client (``pier build``, the classic ``POST /build``, BuildKit's Solve) is translated to this.
"""

import msgspec


class CacheSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """``--cache-from`` and ``--cache-to``: ``type`` is registry, local, inline; the rest as on the command line."""

    type: str
    attributes: dict[str, str] = {}


class Output(msgspec.Struct, frozen=True, omit_defaults=True):
    """``--output``. ``type``: image, docker, oci, tar, local. ``image`` goes to the image store.

    ``attributes``: name (several, comma-separated), push, ``dest`` (the client's), tar, compression, annotation...
    """

    type: str
    attributes: dict[str, str] = {}


class Ulimit(msgspec.Struct, frozen=True):
    name: str
    soft: int
    hard: int


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """What each RUN may use; names and units as in the API's HostConfig. They do not change what is made."""

    memory: int = 0
    memory_swap: int = 0
    cpu_shares: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    shm_size: int = 0
    ulimits: tuple[Ulimit, ...] = ()
    cgroup_parent: str = ""


class BuildRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``id`` names the build (for ``/build/cancel``).

    ``context``: a folder of the session (``local:context``), a tar that the session uploads (``upload:context``: an
    archive, or a Dockerfile alone), an ``http(s)://`` URL of either, a Git URL with ``#ref:folder``, or empty: none.
    ``dockerfile``: the path of the Dockerfile below the root of ``local:dockerfile`` (where ``dockerfile_context`` says
    so) or of the context. ``contexts``: the named ones, by name: ``local:NAME``, ``docker-image://REF``, a URL,
    ``target:STAGE``, ``oci-layout://STORE[:TAG][@DIGEST]``: STORE is the client's own name for it.
    ``platforms``: empty for the host's. ``no_cache``, or ``no_cache_filter``: names of stages.
    ``source_date_epoch``: seconds since 1970 for everything in the result, None for real times.
    ``entitlements``: ``security.insecure``, ``network.host``. ``check``: lint only. ``pull``: always ask the registry.
    ``classic``: refuse, and write history, as Docker's classic builder does.
    ``squash``: one layer on top of the base. ``error_shell``: keep the failed step's file system for a shell.
    """

    id: str
    context: str = "local:context"
    dockerfile: str = "Dockerfile"
    dockerfile_context: str = ""
    contexts: dict[str, str] = {}
    target: str = ""
    build_args: dict[str, str] = {}
    labels: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    pull: bool = False
    no_cache: bool = False
    no_cache_filter: tuple[str, ...] = ()
    cache_from: tuple[CacheSpec, ...] = ()
    cache_to: tuple[CacheSpec, ...] = ()
    outputs: tuple[Output, ...] = ()
    network: str = "default"
    extra_hosts: tuple[str, ...] = ()
    limits: Limits = Limits()
    entitlements: tuple[str, ...] = ()
    source_date_epoch: int | None = None
    squash: bool = False
    classic: bool = False
    check: bool = False
    error_shell: bool = False
