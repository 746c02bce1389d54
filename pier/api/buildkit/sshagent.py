"""The client's SSH agents, each behind a socket on this host."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from grpclib.client import StreamStreamMethod, UnaryUnaryMethod
from multidict import MultiDict

from pier.api.agentsocket import CHUNK, agent_socket
from pier.api.buildkit.calls import client_errors, metadata
from pier.api.buildkit.proto.session_pb2 import BytesMessage, CheckAgentRequest, CheckAgentResponse
from pier.api.buildkit.sessions import Attached
from pier.errors import InvalidArgument, NotFound

_CHECK: Final = "/moby.sshforward.v1.SSH/CheckAgent"
_FORWARD: Final = "/moby.sshforward.v1.SSH/ForwardAgent"


@asynccontextmanager
async def forwarded(session: Attached, run: Path, id: str) -> AsyncIterator[Path]:
    """Yield a socket that leads to the agent ``id``. Raises NotFound where the client has none of that name."""
    if not session.offers(_FORWARD):
        raise NotFound(f"no ssh handler for id {id}")
    check = UnaryUnaryMethod(session.channel, _CHECK, CheckAgentRequest, CheckAgentResponse)
    try:
        with client_errors():
            await check(CheckAgentRequest(ID=id))
    except InvalidArgument as error:
        raise NotFound(error.message) from error

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _carry(session, id, reader, writer)

    async with agent_socket(run, carry) as path:
        yield path


async def _carry(session: Attached, id: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    method = StreamStreamMethod(session.channel, _FORWARD, BytesMessage, BytesMessage)
    with client_errors():
        async with method.open(metadata=MultiDict(metadata({"buildkit.ssh.id": [id]}))) as stream:
            await stream.send_request()

            async def send() -> None:
                while data := await reader.read(CHUNK):
                    await stream.send_message(BytesMessage(data=data))
                await stream.end()

            sending = asyncio.ensure_future(send())
            try:
                async for message in stream:
                    writer.write(message.data)
                    await writer.drain()
            finally:
                sending.cancel()
                await asyncio.wait([sending])
                if not stream._end_done:
                    await stream.cancel()
