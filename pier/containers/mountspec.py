"""Reading what users write about mounts (pure): ``-v``, ``--mount``, ``--volumes-from``, ``--tmpfs``.

Each function returns a :class:`MountPoint` that is complete but for the name of an anonymous volume and the
source of any volume: those are known once the volume exists.
"""

import posixpath
from collections.abc import Callable
from typing import Final

from pier.containers.container import MountPoint
from pier.containers.hostconfig import MountRequest
from pier.errors import InvalidArgument

_PROPAGATIONS: Final = ("private", "rprivate", "slave", "rslave", "shared", "rshared")
_KINDS: Final[dict[str, str]] = {
    **dict.fromkeys(("rw", "ro"), "access"),
    **dict.fromkeys(("z", "Z"), "label"),
    **dict.fromkeys(_PROPAGATIONS, "propagation"),
    "nocopy": "copy",
    **dict.fromkeys(("consistent", "cached", "delegated"), "consistency"),
}
_TMPFS_FLAGS: Final = {
    **dict.fromkeys(("ro", "rw"), "access"),
    **dict.fromkeys(("suid", "nosuid"), "suid"),
    **dict.fromkeys(("dev", "nodev"), "dev"),
    **dict.fromkeys(("exec", "noexec"), "exec"),
    **dict.fromkeys(("sync", "async"), "sync"),
    **dict.fromkeys(("atime", "noatime", "relatime", "strictatime", "diratime", "nodiratime"), "atime"),
    **dict.fromkeys(_PROPAGATIONS, "propagation"),
}
_TMPFS_VALUES: Final = ("size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol")
_TMPFS_DEFAULTS: Final = ("noexec", "nosuid", "nodev")


def check_mode(mode: str) -> tuple[str, ...]:
    """The options of ``-v a:b:MODE``, one of a kind at most. InvalidArgument ``invalid mode: x``."""
    options = tuple(mode.split(",")) if mode else ()
    kinds = [_KINDS.get(option) for option in options]
    if None in kinds or len(set(kinds)) != len(kinds):
        raise InvalidArgument(f"invalid mode: {mode}")
    return options


def parse_bind(text: str, volume_driver: str = "") -> MountPoint:
    """``source:target[:mode]`` or ``target``; a source that is not absolute names a volume. InvalidArgument."""
    parts = text.split(":")
    if len(parts) > 3 or "" in parts or (len(parts) == 2 and _is_mode(parts[1])):
        raise InvalidArgument(f"invalid volume specification: '{text}'")
    source, target = (parts[0], parts[1]) if len(parts) > 1 else ("", parts[0])
    mode = parts[2] if len(parts) == 3 else ""
    options = check_mode(mode)
    kind = "bind" if source.startswith("/") else "volume"
    try:
        destination = _destination(target)
    except InvalidArgument as error:
        raise InvalidArgument(
            f"invalid volume specification: '{text}': invalid mount config for type \"{kind}\": {error}"
        ) from error
    propagation = next((option for option in options if option in _PROPAGATIONS), "")
    if kind == "bind":
        return MountPoint(
            type="bind", source=posixpath.normpath(source), destination=destination, mode=mode,
            rw="ro" not in options, propagation=propagation or "rprivate", create_source=True,
        )  # fmt: skip
    return MountPoint(
        type="volume", name=source, destination=destination, driver=volume_driver or "local", mode=mode,
        rw="ro" not in options, copy="nocopy" not in options, anonymous=not source,
    )  # fmt: skip


def parse_mount(request: MountRequest, exists: Callable[[str], bool]) -> MountPoint:
    """One ``--mount``. ``exists`` says whether a path is on the host. InvalidArgument in Docker's words."""
    try:
        destination = _destination(request.target)
        if (parse := _PARSERS.get(request.type)) is None:
            raise InvalidArgument("mount type unknown")
        return parse(request, destination, exists)
    except InvalidArgument as error:
        raise InvalidArgument(f'invalid mount config for type "{request.type}": {error}') from error


def parse_volumes_from(text: str) -> tuple[str, bool | None]:
    """``container[:mode]`` as (container, writable: None for "as there"). InvalidArgument."""
    reference, _, mode = text.partition(":")
    options = check_mode(mode)
    if any(_KINDS[option] not in ("access", "label") for option in options):
        raise InvalidArgument(f"invalid mode: {mode}")
    if not reference:
        raise InvalidArgument('invalid name or ID supplied: ""')
    return reference, False if "ro" in options else None


def parse_tmpfs(target: str, options: str) -> MountPoint:
    """``--tmpfs target:options``. InvalidArgument."""
    wanted = tuple(option for option in options.split(",") if option)
    return MountPoint(
        type="tmpfs", destination=_destination(target), mode=options, rw="ro" not in wanted,
        options=tmpfs_options(wanted),
    )  # fmt: skip


def image_volume(target: str) -> MountPoint:
    """A ``VOLUME`` of the image, or ``-v target``: an anonymous volume."""
    destination = _destination("/" + target.lstrip("/"))
    return MountPoint(type="volume", destination=destination, driver="local", copy=True, anonymous=True)


def tmpfs_options(wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Docker's defaults with ``wanted`` on top; of options that exclude each other the last wins."""
    merged: dict[str, str] = {}
    for option in (*_TMPFS_DEFAULTS, *wanted):
        key, has_value, _ = option.partition("=")
        if key not in (_TMPFS_VALUES if has_value else _TMPFS_FLAGS):
            raise InvalidArgument(f'invalid tmpfs option "{option}"')
        merged[key if has_value else _TMPFS_FLAGS[key]] = option
    return tuple(merged.values())


def _destination(target: str) -> str:
    if not target:
        raise InvalidArgument("field Target must not be empty")
    if not target.startswith("/"):
        raise InvalidArgument(f"invalid mount path: '{target}' mount path must be absolute")
    cleaned = "/" + posixpath.normpath(target).lstrip("/")
    if cleaned == "/":
        raise InvalidArgument("invalid specification: destination can't be '/'")
    return cleaned


def _is_mode(text: str) -> bool:
    return all(option in _KINDS for option in text.split(","))


def _refuse(**fields: object) -> None:
    for name, value in fields.items():
        if value:
            raise InvalidArgument(f"field {name} must not be specified")


def _bind(request: MountRequest, destination: str, exists: Callable[[str], bool]) -> MountPoint:
    _refuse(VolumeOptions=request.volume_options, TmpfsOptions=request.tmpfs_options)
    if not request.source:
        raise InvalidArgument("field Source must not be empty")
    if not request.source.startswith("/"):
        raise InvalidArgument(f"invalid mount path: '{request.source}' mount path must be absolute")
    options = request.bind_options
    propagation = options.propagation if options else ""
    if propagation and propagation not in _PROPAGATIONS:
        raise InvalidArgument(f"invalid propagation mode: {propagation}")
    create = bool(options and options.create_mountpoint)
    if not create and not exists(request.source):
        raise InvalidArgument(f"bind source path does not exist: {request.source}")
    return MountPoint(
        type="bind", source=posixpath.normpath(request.source), destination=destination, rw=not request.read_only,
        propagation=propagation or "rprivate", recursive=not (options and options.non_recursive), create_source=create,
    )  # fmt: skip


def _volume(request: MountRequest, destination: str, _: Callable[[str], bool]) -> MountPoint:
    _refuse(BindOptions=request.bind_options, TmpfsOptions=request.tmpfs_options)
    if request.read_only and not request.source:
        raise InvalidArgument("must not set ReadOnly mode when using anonymous volumes")
    options = request.volume_options
    subpath = options.subpath if options else ""
    if subpath and (subpath.startswith("/") or ".." in subpath.split("/")):
        raise InvalidArgument("subpath must be a relative path within the volume")
    driver = options.driver_config.name if options and options.driver_config else ""
    return MountPoint(
        type="volume", name=request.source, destination=destination, driver=driver or "local",
        rw=not request.read_only, copy=not (options and options.no_copy), subpath=subpath,
        anonymous=not request.source, mode="z",
    )  # fmt: skip


def _tmpfs(request: MountRequest, destination: str, _: Callable[[str], bool]) -> MountPoint:
    _refuse(BindOptions=request.bind_options, VolumeOptions=request.volume_options, Source=request.source)
    options = request.tmpfs_options
    wanted: list[str] = []
    if options and options.size_bytes < 0:
        raise InvalidArgument("size must be positive")
    if options and options.size_bytes:
        wanted.append(f"size={options.size_bytes}")
    if options and options.mode:
        wanted.append(f"mode={options.mode:o}")
    wanted += ["=".join(option) for option in (options.options or () if options else ())]
    if request.read_only:
        wanted.append("ro")
    return MountPoint(
        type="tmpfs", destination=destination, rw=not request.read_only, options=tmpfs_options(tuple(wanted))
    )


_PARSERS: Final[dict[str, Callable[[MountRequest, str, Callable[[str], bool]], MountPoint]]] = {
    "bind": _bind,
    "volume": _volume,
    "tmpfs": _tmpfs,
}
