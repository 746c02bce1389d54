"""Storages by their address: ``file:///path`` or ``s3://bucket/prefix?endpoint=…``."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from pier.errors import InvalidArgument
from pier.registry.storage import Storage
from pier.registry.storages.folder import FolderStorage


async def open_storage(url: str) -> Storage:
    """Raises InvalidArgument for an address without sense, Unavailable where nothing is there."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        if parts.netloc or parts.query or parts.fragment or not parts.path.startswith("/"):
            raise InvalidArgument(f"the storage's address must be file:///path: {url}")
        return FolderStorage(Path(unquote(parts.path)))
    raise InvalidArgument(f"unknown kind of storage {parts.scheme!r}: it is file:///path or s3://bucket/prefix")
