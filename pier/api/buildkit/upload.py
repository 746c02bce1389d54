"""What a client gives on its standard input: ``upload:NAME`` of a request."""

from collections.abc import AsyncIterator
from typing import Final

from grpclib.client import StreamStreamMethod
from multidict import MultiDict

from pier.api.buildkit.calls import client_errors, metadata
from pier.api.buildkit.proto.session_pb2 import BytesMessage
from pier.api.buildkit.sessions import Attached
from pier.errors import NotFound

_PULL: Final = "/moby.upload.v1.Upload/Pull"


async def pull(session: Attached, name: str) -> AsyncIterator[bytes]:
    """Yield the bytes of the upload ``name``, which the client gives once. Raises NotFound, Cancelled."""
    if not session.offers(_PULL):
        raise NotFound(f"no http response from session for {name}")
    method = StreamStreamMethod(session.channel, _PULL, BytesMessage, BytesMessage)
    headers = metadata({"urlpath": ["/" + name], "urlhost": ["buildkit-session"]})
    with client_errors():
        async with method.open(metadata=MultiDict(headers)) as stream:
            await stream.send_request(end=True)
            async for message in stream:
                if message.data:
                    yield message.data
