"""Addresses of buckets, ``s3://bucket/prefix?endpoint=…``, to connections."""

import ssl
from contextlib import AsyncExitStack
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError

from pier.errors import InvalidArgument
from pier.registry.storages.s3 import S3Storage
from pier.registry.storages.s3bucket import Bucket

_OPTIONS: Final = {
    "endpoint": "endpoint_url",
    "region": "region_name",
    "access_key": "aws_access_key_id",
    "secret_key": "aws_secret_access_key",
    "session_token": "aws_session_token",
}
_STYLES: Final = ("auto", "path", "virtual")
_CONNECTIONS: Final = 64


async def open_s3(url: str) -> S3Storage:
    """Options: ``endpoint``, ``region``, ``access_key``, ``secret_key``, ``session_token``, ``style`` (auto, path,
    virtual; path where there is an endpoint). What is not said comes from the environment and ``~/.aws``, as all
    programs for S3 have it.

    Raises InvalidArgument for an address without sense, Unavailable where the bucket does not answer.
    """
    bucket, connections = await bucket_of(url)
    try:
        await bucket.there()
    except BaseException:
        await connections.aclose()
        raise
    return S3Storage(bucket, connections)


async def bucket_of(url: str) -> tuple[Bucket, AsyncExitStack]:
    """The bucket, whether there is one or not, and the connections to it, to be closed. Raises InvalidArgument."""
    name, prefix, options = _parsed(url)
    style = options.pop("style", "path" if "endpoint" in options else "auto")
    if style not in _STYLES:
        raise InvalidArgument(f"the storage's style must be one of {', '.join(_STYLES)}: {style}")
    config = AioConfig(
        s3={"addressing_style": style},
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"total_max_attempts": 3, "mode": "standard"},
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=_CONNECTIONS,
    )
    session = AioSession()
    given = {_OPTIONS[key]: value for key, value in options.items()}
    async with AsyncExitStack() as stack:
        try:
            client: Any = await stack.enter_async_context(session.create_client("s3", config=config, **given))
        except (BotoCoreError, ValueError) as error:
            raise InvalidArgument(f"the storage cannot be opened: {error}") from error
        http = await stack.enter_async_context(_http(session.get_config_variable("ca_bundle")))
        return Bucket(client, http, name, prefix), stack.pop_all()


def _http(ca_bundle: str | None) -> aiohttp.ClientSession:
    """As the client's own: the same certificates, the same proxies."""
    context = ssl.create_default_context(cafile=ca_bundle)
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=context)
    return aiohttp.ClientSession(connector=connector, trust_env=True, auto_decompress=False)


def _parsed(url: str) -> tuple[str, str, dict[str, str]]:
    parts = urlsplit(url)
    try:
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise InvalidArgument("the options of the storage's address must be name=value") from error
    unknown = sorted(set(options) - {*_OPTIONS, "style"})
    if unknown:
        raise InvalidArgument(f"unknown options of the storage: {', '.join(unknown)}")
    if not parts.netloc or parts.fragment:
        raise InvalidArgument("the storage's address must be s3://bucket/prefix")
    prefix = unquote(parts.path).strip("/")
    return unquote(parts.netloc), f"{prefix}/" if prefix else "", options
