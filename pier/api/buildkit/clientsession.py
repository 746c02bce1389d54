"""What a build asks of a client that speaks gRPC, over the session that it has opened."""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

from google.protobuf.message import Message
from grpclib.client import UnaryUnaryMethod

from pier.api.buildkit import filesend, filesync, layouts, sshagent, upload
from pier.api.buildkit.calls import client_errors
from pier.api.buildkit.contentstore import ContentStore
from pier.api.buildkit.exporters import is_folder
from pier.api.buildkit.proto import session_pb2 as messages
from pier.api.buildkit.sessions import Attached
from pier.build.deps import Deps
from pier.build.layoutcontext import FOLDER
from pier.build.request import BuildRequest
from pier.build.session import Folder
from pier.errors import NotFound
from pier.oci.digest import parse_digest
from pier.remote.settings import Credentials

_SECRET: Final = "/moby.buildkit.secrets.v1.Secrets/GetSecret"
_CREDENTIALS: Final = "/moby.filesync.v1.Auth/Credentials"
_IGNORE: Final = ".dockerignore"
_CACHE: Final = "cache:"
_EXPORT: Final = "export"
_LAYOUT: Final = "oci:"
_LOCAL: Final = "local:"  # before the names of the client's stores
_HUB: Final = "registry-1.docker.io"

Request = TypeVar("Request", bound=Message)
Reply = TypeVar("Reply", bound=Message)


class ClientSession:
    """A :class:`pier.build.session.Session` for ``request``."""

    def __init__(self, attached: Attached, deps: Deps, request: BuildRequest) -> None:
        self._attached = attached
        self._deps = deps
        self._request = request
        self.answers: dict[str, str] = {}
        """What the client is to be told of what it was given."""

    def folder(
        self, name: str, paths: tuple[str, ...], exclude: tuple[str, ...]
    ) -> AbstractAsyncContextManager[Folder]:
        if name.startswith(_CACHE):
            return self._cache(self._request.cache_from[int(name.removeprefix(_CACHE))].attributes)
        if name.startswith(FOLDER):
            return self._layout(name.removeprefix(FOLDER))
        return filesync.folder(
            self._attached, self._deps, name, paths, exclude, keep=not self._reads_ahead(name, paths)
        )

    def _reads_ahead(self, name: str, paths: tuple[str, ...]) -> bool:
        """Whether it is only about the Dockerfile and what goes with it: a file or two, and not all of the folder."""
        return self._request.dockerfile_context == f"local:{name}" or any(path.endswith(_IGNORE) for path in paths)

    @asynccontextmanager
    async def _layout(self, name: str) -> AsyncIterator[Folder]:
        """The client has found the digest."""
        store, _, digest = name.partition("@")
        root = parse_digest(digest)
        of_client = ContentStore(self._attached, _LAYOUT + store.partition(":")[0])
        async with layouts.fetched(of_client, root, self._deps.images.tmp) as path:
            yield Folder(path, f"layout:{root}")

    @asynccontextmanager
    async def _cache(self, attributes: Mapping[str, str]) -> AsyncIterator[Folder]:
        """The client says which of the manifests in its folder it means."""
        store = ContentStore(self._attached, _LOCAL + attributes.get("src", ""))
        root = parse_digest(attributes.get("digest", ""))
        async with layouts.fetched(store, root, self._deps.images.tmp) as path:
            yield Folder(path, f"cache:{root}")

    def upload(self, name: str) -> AsyncIterator[bytes]:
        return upload.pull(self._attached, name)

    async def secret(self, id: str) -> bytes | None:
        if not self._attached.offers(_SECRET):
            return None
        try:
            reply = await self._ask(_SECRET, messages.GetSecretRequest(ID=id), messages.GetSecretResponse)
        except NotFound:
            return None
        return reply.data

    def ssh(self, id: str) -> AbstractAsyncContextManager[Path]:
        return sshagent.forwarded(self._attached, self._deps.run, id)

    async def credentials(self, domain: str) -> Credentials | None:
        """A secret without a name is an identity token."""
        if not self._attached.offers(_CREDENTIALS):
            return None
        host = _HUB if domain in ("docker.io", "index.docker.io") else domain
        request = messages.CredentialsRequest(Host=host)
        reply = await self._ask(_CREDENTIALS, request, messages.CredentialsResponse)
        if not reply.Secret:
            return None
        if not reply.Username:
            return Credentials(identity_token=reply.Secret, server_address=domain)
        return Credentials(reply.Username, reply.Secret, server_address=domain)

    async def export_tar(self, output: int, chunks: AsyncIterator[bytes]) -> None:
        if output >= len(self._request.outputs):
            await self._export_cache(output - len(self._request.outputs), chunks)
        elif is_folder(self._request.outputs[output]):
            entry = await layouts.stored(ContentStore(self._attached, _EXPORT), self._deps.images.tmp, chunks)
            self.answers["containerimage.descriptor"] = base64.b64encode(layouts.entry_json(entry)).decode()
        elif self._request.outputs[output].type == "local":
            await filesend.send_folder(self._attached, self._deps.images.tmp, output, chunks)
        else:
            await filesend.send_archive(self._attached, output, chunks)

    async def _export_cache(self, number: int, chunks: AsyncIterator[bytes]) -> None:
        store = ContentStore(self._attached, _LOCAL + self._request.cache_to[number].attributes.get("dest", ""))
        entry = await layouts.stored(store, self._deps.images.tmp, chunks)
        self.answers["cache.manifest"] = layouts.entry_json(entry).decode()

    async def _ask(self, method: str, request: Request, reply: type[Reply]) -> Reply:
        with client_errors():
            call: UnaryUnaryMethod[Request, Reply] = UnaryUnaryMethod(
                self._attached.channel, method, type(request), reply
            )
            return await call(request)
