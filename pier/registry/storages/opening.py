"""Storages by their address: ``file:///path`` or ``s3://bucket/prefix?endpoint=…``."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from pier.errors import InvalidArgument, Unsupported
from pier.registry.storage import Storage
from pier.registry.storages.folder import FolderStorage


async def open_storage(url: str) -> Storage:
    """Raises InvalidArgument for an address without sense, Unavailable where nothing is there, Unsupported."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        if parts.netloc or parts.query or parts.fragment or not parts.path.startswith("/"):
            raise InvalidArgument(f"the storage's address must be file:///path: {url}")
        return FolderStorage(Path(unquote(parts.path)))
    if parts.scheme == "s3":
        try:
            from pier.registry.storages.s3address import open_s3  # 25 MB that a folder does not need
        except ImportError as error:
            raise Unsupported(f"a storage on S3 needs pip install 'pier[s3]': {error}") from error
        return await open_s3(url)
    raise InvalidArgument(f"unknown kind of storage {parts.scheme!r}: it is file:///path or s3://bucket/prefix")
