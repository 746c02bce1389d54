"""A client's folders of blobs, as BuildKit's clients offer them: for caches of type local, and images as layouts."""

from collections.abc import AsyncIterator
from typing import Final

from grpclib.client import StreamStreamMethod, UnaryStreamMethod, UnaryUnaryMethod
from multidict import MultiDict

from pier.api.buildkit.calls import client_errors, metadata
from pier.api.buildkit.proto import content_pb2 as messages
from pier.api.buildkit.sessions import Attached
from pier.errors import NotFound, Unsupported
from pier.oci.digest import Digest

_SERVICE: Final = "/containerd.services.content.v1.Content/"
_STORE: Final = "buildkit-attachable-store-id"


class ContentStore:
    """The store ``name`` of a session. Raises NotFound, Cancelled, Unsupported where the client has none at all."""

    def __init__(self, session: Attached, name: str) -> None:
        if not session.offers(_SERVICE + "Read"):
            raise Unsupported("the client has no folder of blobs")
        self._channel = session.channel
        self._metadata = MultiDict(metadata({_STORE: [name]}))

    async def has(self, digest: Digest) -> bool:
        try:
            await self.size(digest)
        except NotFound:
            return False
        return True

    async def size(self, digest: Digest) -> int:
        call = UnaryUnaryMethod(self._channel, _SERVICE + "Info", messages.InfoRequest, messages.InfoResponse)
        with client_errors():
            reply = await call(messages.InfoRequest(digest=digest), metadata=self._metadata)
        return reply.info.size

    async def read(self, digest: Digest) -> AsyncIterator[bytes]:
        """Yield a blob; that it has the digest is for the caller to check."""
        call = UnaryStreamMethod(
            self._channel, _SERVICE + "Read", messages.ReadContentRequest, messages.ReadContentResponse
        )
        with client_errors():
            async with call.open(metadata=self._metadata) as stream:
                await stream.send_message(messages.ReadContentRequest(digest=digest), end=True)
                async for message in stream:
                    yield message.data

    async def write(self, digest: Digest, size: int, pieces: AsyncIterator[bytes]) -> None:
        """Store a blob of which the client checks size and digest."""
        call = StreamStreamMethod(
            self._channel, _SERVICE + "Write", messages.WriteContentRequest, messages.WriteContentResponse
        )
        request = messages.WriteContentRequest(action=messages.WRITE, ref=f"pier-{digest}", total=size, expected=digest)
        with client_errors():
            async with call.open(metadata=self._metadata) as stream:
                async for piece in pieces:
                    request.data = piece
                    await stream.send_message(request)
                    await stream.recv_message()
                    request.offset += len(piece)
                request.action = messages.COMMIT
                request.data = b""
                await stream.send_message(request, end=True)
                await stream.recv_message()
