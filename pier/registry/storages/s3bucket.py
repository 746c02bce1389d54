"""A bucket, or what lies under a prefix of one: requests to S3, repeated where that may help.

A server that is silent is given up, in either direction, and so is one that is silent once more. Who asks for a blob
hears of it after twice :data:`_SILENCE` at most; who brings one after that and the pauses between.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, Final
from xml.etree import ElementTree

import aiohttp

from pier.errors import DataCorrupted, PierError, Unavailable
from pier.registry.storages.s3errors import Silent, as_kinds, kind_of
from pier.registry.storages.spool import Spool

_TRIES: Final = 4
_PIECE: Final = 256 << 10
_URL_LIFE: Final = 900
_SILENCE: Final = 15.0
"""Seconds until the first byte of an answer, and from piece to piece of a body."""
_PUTTING_TOGETHER: Final = 120.0
"""Seconds until the parts of an object are one: some servers copy them."""
_NO_LIMIT: Final = aiohttp.ClientTimeout(total=None)
_AT_ONCE: Final = 1000


class Bucket:
    """``client`` is aiobotocore's. Bytes go up through ``http``, to signed addresses: the client would hash them again.

    All methods raise Unavailable; names are without the prefix.
    """

    def __init__(self, client: Any, http: aiohttp.ClientSession, name: str, prefix: str) -> None:
        self._client = client
        self._http = http
        self._name = name
        self._prefix = prefix

    async def put(self, key: str, spool: Spool) -> None:
        await self._send("put_object", {"Key": self._prefix + key}, spool)

    async def put_part(self, key: str, upload: str, number: int, spool: Spool) -> str:
        """The part's tag. Raises DataCorrupted where there is no such upload any more."""
        return await self._send(
            "upload_part", {"Key": self._prefix + key, "UploadId": upload, "PartNumber": number}, spool
        )

    async def create(self, key: str) -> str:
        """Begin a multipart upload."""
        answer = await self._call("create_multipart_upload", Key=self._prefix + key)
        return str(answer["UploadId"])

    async def complete(self, key: str, upload: str, tags: Sequence[str], size: int) -> None:
        """Raises DataCorrupted where the upload or a part is gone."""
        parts = [{"ETag": tag, "PartNumber": number} for number, tag in enumerate(tags, 1)]
        try:
            await self._ask(
                "complete_multipart_upload",
                _PUTTING_TOGETHER,
                Key=self._prefix + key,
                UploadId=upload,
                MultipartUpload={"Parts": parts},
            )
        except DataCorrupted:
            if await self._size(key) != size:  # else an answer was lost, and the client has asked again
                raise

    async def get(self, key: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """Raises NotFound; DataCorrupted where the object is shorter. A connection that breaks is replaced."""
        tries = 0
        while start < stop:
            before = start
            try:
                async with aclosing(self._get(key, start, stop)) as pieces:
                    async for piece in pieces:
                        start += len(piece)
                        yield piece
                if start == before:
                    raise DataCorrupted(f"an object ends at {start}, before {stop}")
            except Unavailable:
                tries = 0 if start > before else tries + 1
                if tries > 1:
                    raise

    async def delete(self, *keys: str) -> None:
        for key in keys:
            await self._call("delete_object", Key=self._prefix + key)

    async def names(self, prefix: str = "") -> AsyncIterator[str]:
        more: dict[str, Any] = {}
        while True:
            answer = await self._call("list_objects_v2", Prefix=self._prefix + prefix, MaxKeys=_AT_ONCE, **more)
            for each in answer.get("Contents", ()):
                yield each["Key"][len(self._prefix) :]
            if not answer.get("IsTruncated"):
                return
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    async def unfinished(self, prefix: str = "") -> AsyncIterator[tuple[str, str]]:
        """Multipart uploads: names and IDs."""
        more: dict[str, Any] = {}
        while True:
            answer = await self._call("list_multipart_uploads", Prefix=self._prefix + prefix, **more)
            for each in answer.get("Uploads", ()):
                yield each["Key"][len(self._prefix) :], each["UploadId"]
            if not answer.get("IsTruncated"):
                return
            more = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}

    async def abort(self, key: str, upload: str) -> None:
        try:
            await self._call("abort_multipart_upload", Key=self._prefix + key, UploadId=upload)
        except DataCorrupted:
            return

    async def there(self) -> None:
        """Raises Unavailable where the bucket does not answer."""
        try:
            await self._call("head_bucket")
        except PierError as error:
            raise Unavailable(f"bucket {self._name}: {error}") from error

    async def make(self) -> None:
        await self._call("create_bucket")

    async def url(self, key: str, seconds: int) -> str:
        return await self._signed("get_object", {"Key": self._prefix + key}, seconds)

    async def _call(self, name: str, **arguments: Any) -> Any:
        try:
            return await self._ask(name, _SILENCE, **arguments)
        except Silent:
            return await self._ask(name, _SILENCE, **arguments)

    async def _ask(self, name: str, patience: float, **arguments: Any) -> Any:
        """The client repeats by itself what is refused or breaks, as often as there is time for."""
        with as_kinds():
            async with asyncio.timeout(patience):
                return await getattr(self._client, name)(Bucket=self._name, **arguments)

    async def _size(self, key: str) -> int:
        try:
            return int((await self._call("head_object", Key=self._prefix + key))["ContentLength"])
        except PierError:
            return -1

    async def _get(self, key: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        span = f"bytes={start}-{stop - 1}"
        answer = await self._ask("get_object", _SILENCE, Key=self._prefix + key, Range=span)
        with as_kinds():
            async with answer["Body"] as body:
                while piece := await self._piece(body):
                    yield piece

    async def _piece(self, body: Any) -> bytes:
        async with asyncio.timeout(_SILENCE):
            piece: bytes = await body.read(_PIECE)
            return piece

    async def _signed(self, operation: str, arguments: dict[str, Any], seconds: int) -> str:
        with as_kinds():
            parameters = {"Bucket": self._name, **arguments}
            url: str = await self._client.generate_presigned_url(operation, Params=parameters, ExpiresIn=seconds)
            return url

    async def _send(self, operation: str, arguments: dict[str, Any], spool: Spool) -> str:
        last = time.monotonic() + _SILENCE
        for attempt in range(1, _TRIES):
            try:
                return await self._send_once(operation, arguments, spool)
            except Unavailable:
                await asyncio.sleep(0.1 * 2**attempt)
                if time.monotonic() > last:
                    break
        return await self._send_once(operation, arguments, spool)

    async def _send_once(self, operation: str, arguments: dict[str, Any], spool: Spool) -> str:
        url = await self._signed(operation, arguments, _URL_LIFE)
        headers = {"Content-Length": str(spool.size), "Content-MD5": spool.md5}
        with as_kinds():
            async with asyncio.timeout(_SILENCE) as limit:
                body = _taken(spool, limit) if spool.size else b""
                async with self._http.put(url, data=body, headers=headers, timeout=_NO_LIMIT) as answer:
                    if answer.status >= 300:
                        raise kind_of(*_fault(answer.status, await answer.text(errors="replace")))
                    return answer.headers.get("ETag", "")


async def _taken(spool: Spool, limit: asyncio.Timeout) -> AsyncIterator[bytes]:
    """What is to be sent; each piece that goes moves the ``limit`` on."""
    async for piece in spool.content():
        limit.reschedule(asyncio.get_running_loop().time() + _SILENCE)
        yield piece


def _fault(status: int, text: str) -> tuple[str, str]:
    """Code and message of an error's XML; the status where it is none."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return str(status), text[:200]
    return root.findtext("Code") or str(status), root.findtext("Message") or text[:200]
