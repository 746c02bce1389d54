"""The registry's settings: defaults, a TOML file, the environment and flags, in this order of weight.

A field is ``name = …`` in the file, ``PIER_REGISTRY_NAME`` in the environment and ``--name`` as a flag (underscores are
dashes there). Its description is what ``--help`` and the manual say of it.
"""

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from pier.registry.names import is_repository

Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Texts = tuple[str, ...]
_ADDRESS: Final = re.compile(r"https?://[^/@?#\s]+(/[^?#\s]*)?")
_PROJECT: Final = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
_LONGEST_PROJECT: Final = 64
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_UNSHOWN: Final = frozenset({"password", "git_password", "secret", "args", "url", "database", "storage"})


class _Table(msgspec.Struct, frozen=True):
    """What may be secret is not in its ``repr``, so that no line of a log and no traceback shows it."""

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in _UNSHOWN)
        return f"{type(self).__name__}({', '.join(shown)})"


def _is_address(text: str) -> bool:
    try:
        address = urlsplit(text)
        return bool(_ADDRESS.fullmatch(text) and address.hostname and address.port != 0)
    except ValueError:
        return False


class Webhook(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[webhook]]``: who is told of pushes and deletions. ``names``: globs of repositories."""

    name: str
    url: Annotated[str, Meta(pattern="^https?://")]
    secret: str = ""
    names: Texts = ("*",)
    events: tuple[Literal["push", "delete"], ...] = ("push", "delete")


class Remote(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another registry. A path in ``url`` goes before the names of repositories there.

    ``insecure``: it may show any certificate. Others than the system's authorities are in ``/etc/docker/certs.d``.
    """

    url: str
    username: str = ""
    password: str = ""
    password_file: str = ""
    insecure: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError, which msgspec tells together with the place."""
        if not _is_address(self.url):
            raise ValueError("the url has to be http(s)://HOST[:PORT][/PATH], without a user and a password in it")
        if (self.password or self.password_file) and not self.username:
            raise ValueError("there is a password, but no username")


class Upstream(Remote, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[upstream]]``: a registry that is pulled through; repositories that begin with ``name`` come from it.

    ``names``: globs of the repositories there that may. ``ttl``: seconds that a tag is believed before the upstream is
    asked again. ``default``: what is not here and has no upstream's name before it comes from there, as of a mirror.
    ``library``: a name of one part means ``library/…`` there, as it does at the Docker Hub, which need not say so.
    """

    name: str
    names: Texts = ("*",)
    ttl: Count = 60
    default: bool = False
    library: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _PROJECT.fullmatch(self.name) or len(self.name) > _LONGEST_PROJECT:
            raise ValueError(f"the name {self.name!r} cannot be the first part of a repository's name")


class Replication(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[replication]]``: what is copied to another registry (push) or from one (pull).

    ``names`` are globs of repositories where they come from, ``tags`` of tags; ``!`` before one leaves out. ``prefix``
    goes before the names of the copies. ``on_push`` is for push alone. ``every`` (seconds) or ``at`` (HH:MM by the
    host's clock) go over all there is; neither: when an administrator says so. ``deletions``: tags that are gone go on
    the other side too. ``referrers``: so do signatures, bills of materials and the like.
    """

    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9._-]{0,62}$")]
    direction: Literal["push", "pull"]
    remote: Remote
    names: Texts = ("*",)
    tags: Texts = ("*",)
    prefix: str = ""
    on_push: bool = True
    every: Count = 0
    at: str = ""
    deletions: bool = False
    referrers: bool = True

    def __post_init__(self) -> None:
        if self.at and not _TIME.fullmatch(self.at):
            raise ValueError(f"at has to be a time of day, from 00:00 to 23:59, and is {self.at!r}")
        if not is_repository(f"{self.prefix}x"):
            raise ValueError(f"the prefix {self.prefix!r} cannot begin a repository's name")


class Base(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[build.bases]]``: a registry (``ghcr.io``, ``docker.io``, ``HOST:PORT``) whose images a build begins from."""

    registry: Annotated[str, Meta(pattern=r"^[A-Za-z0-9.-]+(:\d{1,5})?$")]
    username: str
    password: str = ""
    password_file: str = ""


class Build(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[build]]``: an image of a Git repository, made by ``engine`` when ``POST /hooks/NAME`` says that it changed.

    ``branch`` and ``git_tags`` are globs of what is built when it is pushed. ``tags`` name the image: ``{sha}``,
    ``{short}``, ``{branch}`` and ``{tag}`` are the commit's; what is said of a branch alone is left out of a tag's
    image. ``secret`` is the webhook's. ``push_to``: how the engine reaches this registry (default: as it listens).
    ``pull``: look for newer base images each time. ``timeout``: seconds that it may take.

    With a ``git_password`` or a ``git_key_file`` this registry fetches the repository itself, and sends the engine its
    files: over HTTPS (``git_ca_file``: who vouches for the server, instead of the system's authorities), or over SSH
    from a server whose key is in ``git_known_hosts_file``. ``git_size``: bytes that it may take here meanwhile. It does
    so too for ``git_lfs``: files of Git LFS come along.

    ``bases``: with which names and passwords the engine pulls base images; ``reads``: globs of what it may pull from
    this registry (default: the image's project). ``engine_certs``: a folder with ca.pem, cert.pem and key.pem for an
    engine that speaks TLS, as Docker's DOCKER_CERT_PATH. One of ``ssh://`` has an ``engine_key_file`` and an
    ``engine_known_hosts_file``.
    """

    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9._-]{0,62}$")]
    repository: Annotated[str, Meta(pattern=r"^((https?|ssh|git)://[^\s#]+|[A-Za-z0-9_-]+@[A-Za-z0-9.-]+:[^\s#]+)$")]
    git_username: Annotated[str, Meta(pattern=r"^[^\x00-\x1f:]*$")] = ""
    git_password: str = ""
    git_password_file: str = ""
    git_ca_file: str = ""
    git_key_file: str = ""
    git_key_passphrase_file: str = ""
    git_known_hosts_file: str = ""
    git_size: Positive = 2_000_000_000
    git_lfs: bool = False
    branch: str = ""
    git_tags: Texts = ()
    folder: Annotated[str, Meta(pattern=r"^[^#:]*$")] = ""
    dockerfile: str = "Dockerfile"
    target: str = ""
    args: dict[str, str] = {}
    platforms: Texts = ()
    image: str
    tags: Texts = ("latest",)
    secret: str = ""
    secret_file: str = ""
    engine: str = "unix:///var/run/docker.sock"
    engine_certs: str = ""
    engine_key_file: str = ""
    engine_known_hosts_file: str = ""
    bases: Annotated[tuple[Base, ...], Meta(max_length=16)] = ()
    reads: Annotated[Texts, Meta(max_length=16)] = ()
    push_to: Annotated[str, Meta(pattern=r"^([A-Za-z0-9.-]+(:\d{1,5})?)?$")] = ""
    pull: bool = False
    timeout: Positive = 3600


class Settings(_Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seconds and bytes, where nothing else is said."""

    root: Annotated[str, Meta(description="Folder of the database and the blobs")] = "/var/lib/pier-registry"
    listen: Annotated[Texts, Meta(description="HOST:PORT to listen on, also several (default: 127.0.0.1:5000)")] = (
        "127.0.0.1:5000",
    )
    tls_cert: Annotated[
        str, Meta(description="File of the TLS certificate and its chain; read again when it changes")
    ] = ""
    tls_key: Annotated[str, Meta(description="File of the certificate's key")] = ""
    database: Annotated[
        str, Meta(description="sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME (default: ROOT/registry.db)")
    ] = ""
    storage: Annotated[
        str, Meta(description="file:///PATH or s3://BUCKET/PREFIX?endpoint=URL (default: ROOT/blobs)")
    ] = ""
    redirect: Annotated[bool, Meta(description="Send clients to the object storage for blobs, where it allows")] = False
    metrics_listen: Annotated[
        str, Meta(description="HOST:PORT of a listener for /metrics alone (default: with the rest)")
    ] = ""
    trusted_proxies: Annotated[
        Texts, Meta(description="Networks of proxies whose X-Forwarded-For and -Proto are believed")
    ] = ()
    log_level: Annotated[str, Meta(description="debug, info, warn, error")] = "info"
    access_log: Annotated[bool, Meta(description="Log a line for each request")] = True
    idle_timeout: Annotated[Positive, Meta(description="Seconds that a client may send or take nothing")] = 120
    stop_wait: Annotated[Count, Meta(description="Seconds that transfers under way have when the registry stops")] = 60
    lease: Annotated[
        Positive, Meta(description="Seconds that a pushed blob is kept for the manifest that will refer to it")
    ] = 3600
    upload_life: Annotated[
        Positive, Meta(description="Seconds after which an upload that nobody goes on with ends")
    ] = 24 * 3600
    collect_every: Annotated[
        Positive, Meta(description="Seconds between two collections of what nothing refers to")
    ] = 15
    job_lease: Annotated[
        Positive, Meta(description="Seconds after which the jobs of an instance that died are another's")
    ] = 60
    retain_every: Annotated[
        Positive, Meta(description="Seconds between two looks at the projects' retention rules")
    ] = 600
    largest_manifest: Annotated[Positive, Meta(description="Bytes of the largest manifest that is taken")] = 4 << 20
    htpasswd: Annotated[
        str, Meta(description="File of users (htpasswd -B), beside those of the database; read again when it changes")
    ] = ""
    admins: Annotated[Texts, Meta(description="Users who may do everything")] = ()
    default_role: Annotated[
        Literal["", "reader", "writer", "admin"],
        Meta(description="Role of every user in every project: reader, writer, admin (default: none)"),
    ] = ""
    anonymous_pull: Annotated[
        Texts, Meta(description="Projects or globs of repositories that anybody may pull from, beside public projects")
    ] = ()
    open: Annotated[
        bool, Meta(description="While there are no users let everybody do everything, from anywhere; allow no TLS")
    ] = False
    service: Annotated[
        str,
        Meta(description="Name of this registry in tokens; the same in all instances", pattern="^[A-Za-z0-9._:-]+$"),
    ] = "pier-registry"
    token_life: Annotated[Positive, Meta(description="Seconds that a token is good for")] = 300
    refresh_life: Annotated[
        Positive, Meta(description="Seconds that a refresh token is good for, unless the password changes")
    ] = 90 * 24 * 3600
    rate_address: Annotated[Count, Meta(description="Requests a second of one address (0: any number)")] = 0
    rate_user: Annotated[Count, Meta(description="Requests a second of one user (0: any number)")] = 0
    rate_burst: Annotated[Count, Meta(description="Requests at once beyond that (default: twice the rate)")] = 0
    audit_log: Annotated[
        str,
        Meta(description="File of who pulled, pushed, deleted, was refused; - for lines in the log (default: none)"),
    ] = ""
    failed_logins: Annotated[Count, Meta(description="Wrong passwords a minute of one address (0: any number)")] = 20
    upstream: Annotated[tuple[Upstream, ...], Meta(description="Tables of registries that are pulled through")] = ()
    upstream_size: Annotated[
        Count, Meta(description="Bytes that what was pulled through may take (0: any number); least used goes first")
    ] = 50_000_000_000
    webhook: Annotated[
        tuple[Webhook, ...], Meta(description="Tables of services that are told of pushes and deletions")
    ] = ()
    replication: Annotated[
        tuple[Replication, ...], Meta(description="Tables of what is copied to and from other registries")
    ] = ()
    build: Annotated[
        tuple[Build, ...], Meta(description="Tables of images that are built when their Git repository changes")
    ] = ()
