"""A real S3 for tests: OpenStack Swift with its ``s3api``, its four servers in one process over a temporary folder.

async with swift(tmp_path) as s3:
    storage = await s3.storage("prefix")
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from pier.registry.storages.s3address import bucket_of
from pier.testing.registry import free_port, running

PYTHON: Final = "/usr/bin/python3"
USER: Final = "test:tester"
KEY: Final = "testing"
BUCKET: Final = "blobs"
_MAIN: Final = Path(__file__).with_name("swift_main.py")

_BACKEND: Final = """[DEFAULT]
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
fallocate_reserve = 0
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""
_FILTERS: Final = (
    "catch_errors",
    "gatekeeper",
    "listing_formats",
    "bulk",
    "s3api",
    "tempauth",
    "copy",
    "slo",
    "dlo",
    "versioned_writes",
)
_OPTIONS: Final = {
    "s3api": "location = us-east-1",
    "tempauth": "user_test_tester = testing .admin",
    "versioned_writes": "allow_versioned_writes = true",
}
_PROXY: Final = """[DEFAULT]
swift_dir = {folder}
[pipeline:main]
pipeline = {filters} proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
"""


@dataclass(frozen=True, slots=True)
class Swift:
    """A running server with one bucket. ``endpoint`` is ``http://127.0.0.1:port``."""

    endpoint: str

    def url(self, prefix: str, endpoint: str = "") -> str:
        """Where a registry keeps its blobs; ``endpoint``: another way to the server."""
        return (
            f"s3://{BUCKET}/{prefix}?endpoint={quote(endpoint or self.endpoint)}&region=us-east-1"
            f"&access_key={quote(USER)}&secret_key={quote(KEY)}"
        )


@asynccontextmanager
async def swift(folder: Path) -> AsyncIterator[Swift]:
    """Run it with its files under ``folder``, which must know extended attributes."""
    port = free_port()
    home = folder / f"swift-{port}"
    (home / "devices" / "d1").mkdir(parents=True)
    (home / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_suffix = pier\n[storage-policy:0]\nname = plain\ndefault = yes\n"
    )
    for name in ("account", "container", "object"):
        (home / f"{name}.conf").write_text(_BACKEND.format(folder=home, name=name))
    proxy = _PROXY.format(folder=home, filters=" ".join(_FILTERS))
    for name in _FILTERS:
        proxy += f"[filter:{name}]\nuse = egg:swift#{name}\n{_OPTIONS.get(name, '')}\n"
    (home / "proxy.conf").write_text(proxy)
    async with running([PYTHON, "-I", str(_MAIN), str(home), str(port)], b"ready"):
        server = Swift(f"http://127.0.0.1:{port}")
        bucket, connections = await bucket_of(server.url(""))
        async with connections:
            await bucket.make()
        yield server
