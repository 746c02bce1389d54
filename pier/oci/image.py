"""The image config (OCI image-spec ``config.md``, with the fields that Docker adds).

Structs hold what is understood; an image's ID is the digest of the config's original bytes, which
are kept in the content store, so decoding and encoding again is never done to an existing image.
"""

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec

from pier.errors import DataCorrupted, InvalidArgument
from pier.oci.digest import PREFIX, Digest, parse_digest

MAX_CONFIG_BYTES: Final = 8 * 1024 * 1024
_MAX_LAYERS: Final = 500
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.]\d+)?(Z|[+-]\d\d:\d\d)")


class Healthcheck(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """Durations are nanoseconds; zero means inherit the default."""

    test: list[str] = []
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class ExecutionConfig(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """What a container of the image runs with. ``None`` for a list that was null or absent."""

    hostname: str = ""
    domainname: str = ""
    user: str = ""
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    exposed_ports: dict[str, dict[str, Any]] | None = None
    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    env: list[str] | None = None
    cmd: list[str] | None = None
    healthcheck: Healthcheck | None = None
    args_escaped: bool = False
    image: str = ""
    volumes: dict[str, dict[str, Any]] | None = None
    working_dir: str = ""
    entrypoint: list[str] | None = None
    network_disabled: bool = False
    mac_address: str = ""
    on_build: list[str] | None = None
    labels: dict[str, str] | None = None
    stop_signal: str = ""
    stop_timeout: int | None = None
    shell: list[str] | None = None


class RootFS(msgspec.Struct, frozen=True):
    """The layers, bottom first, by the digests of their uncompressed tars."""

    type: str = "layers"
    diff_ids: list[Digest] = []


class HistoryEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step of the build. ``created`` is RFC 3339 text."""

    created: str | None = None
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


class ImageConfig(msgspec.Struct, frozen=True, omit_defaults=True, rename={"os_version": "os.version"}):
    """An image's config blob. ``created`` is RFC 3339 text."""

    architecture: str
    os: str
    rootfs: RootFS
    config: ExecutionConfig = ExecutionConfig()
    created: str | None = None
    author: str = ""
    variant: str = ""
    os_version: str = ""
    container: str = ""
    docker_version: str = ""
    comment: str = ""
    history: list[HistoryEntry] = []


def parse_config(data: bytes) -> ImageConfig:
    """Decode a config blob; DataCorrupted where it is none. Nulls and unknown fields are tolerated."""
    if len(data) > MAX_CONFIG_BYTES:
        raise DataCorrupted(f"image config is larger than {MAX_CONFIG_BYTES} bytes")
    try:
        raw = msgspec.json.decode(data, type=dict[str, Any])
        config = msgspec.convert(_normalised(raw), ImageConfig)
        for diff_id in config.rootfs.diff_ids:
            parse_digest(diff_id)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, InvalidArgument) as error:
        raise DataCorrupted(f"invalid image config: {error}") from error
    if len(config.rootfs.diff_ids) > _MAX_LAYERS:
        raise DataCorrupted(f"image has more than {_MAX_LAYERS} layers")
    return config


def parse_image(data: bytes) -> ImageConfig:
    """:func:`parse_config` of an image that comes from elsewhere: DataCorrupted too for what Docker runs nothing of."""
    config = parse_config(data)
    if msgspec.json.decode(data).get("rootfs") is None:
        raise DataCorrupted("invalid rootfs in image configuration")
    for created in (config.created, *(entry.created for entry in config.history)):
        if created is not None and not _is_time(created):
            raise DataCorrupted(f"invalid image config: {created[:50]!r} is no time (RFC 3339)")
    if sum(not entry.empty_layer for entry in config.history) > len(config.rootfs.diff_ids):
        raise DataCorrupted("too many non-empty layers in History section")
    return config


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return _TIME.fullmatch(text) is not None


def encode_config(config: ImageConfig) -> bytes:
    """The bytes of a new image's config; their digest is its ID."""
    return msgspec.json.encode(config)


def _normalised(raw: dict[str, Any]) -> dict[str, Any]:
    fields = {key: _without_nulls(value) for key, value in raw.items() if value is not None}
    fields.setdefault("architecture", "")
    fields["os"] = fields.get("os") or "linux"
    fields.setdefault("rootfs", {})
    execution = fields.get("config")
    if isinstance(execution, dict):
        for key in ("Cmd", "Entrypoint", "OnBuild", "Shell"):
            if isinstance(execution.get(key), str):
                execution[key] = [execution[key]]
    return fields


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    return value


def chain_ids(diff_ids: Iterable[Digest]) -> list[Digest]:
    """The name of each layer together with all below it (image-spec ``config.md``, "Layer ChainID")."""
    chain: list[Digest] = []
    for diff_id in diff_ids:
        chain.append(chain_id(chain[-1] if chain else None, diff_id))
    return chain


@lru_cache(maxsize=4096)
def chain_id(parent: Digest | None, diff_id: Digest) -> Digest:
    if parent is None:
        return diff_id
    return Digest(PREFIX + hashlib.sha256(f"{parent} {diff_id}".encode()).hexdigest())
