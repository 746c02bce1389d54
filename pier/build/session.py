"""What a build can ask of its client while it runs (contract).

Implemented by each kind of client: Pier's own stream, BuildKit's gRPC session, the classic ``POST /build``.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import msgspec

from pier.remote.settings import Credentials


class Folder(msgspec.Struct, frozen=True):
    """A folder that steps read from, on this host. ``path`` leads into it (perhaps ``/proc/self/fd/N``).

    ``key`` names it across builds, so that what is known of its files (digests by size, times and inode) is found
    again. ``in_place``: it is the client's own folder: it may change under our hands, and has what is excluded, too.
    """

    path: Path
    key: str
    in_place: bool = False


class Session(Protocol):
    """Raises Cancelled when the client has gone. What a client cannot give raises NotFound or Unsupported."""

    def folder(
        self, name: str, paths: tuple[str, ...], exclude: tuple[str, ...]
    ) -> AbstractAsyncContextManager[Folder]:
        """The client's folder ``name``, up to date and unchanged (unless in place) until the block ends.

        Only what matches ``paths`` (all where empty) and not ``exclude`` need be brought. NotFound: it has none.
        ``layout:REST`` is the OCI layout of a named context ``oci-layout://REST``.
        ``cache:N`` is the OCI layout that ``request.cache_from[N]``, of type local, names with ``src``.
        """

    def upload(self, name: str) -> AsyncIterator[bytes]:
        """The bytes that the client gives under ``name``: an archive on its standard input."""

    async def secret(self, id: str) -> bytes | None:
        """None where the client has none of that name."""

    def ssh(self, id: str) -> AbstractAsyncContextManager[Path]:
        """A socket on this host that leads to the client's agent ``id`` while the block runs. NotFound."""

    async def credentials(self, domain: str) -> Credentials | None:
        """For a registry."""

    async def export_tar(self, output: int, chunks: AsyncIterator[bytes]) -> None:
        """Give the client the result of ``request.outputs[output]`` as a tar; it writes or unpacks it.

        Numbers past the outputs mean ``request.cache_to[output - len(request.outputs)]``, of type local: an OCI
        layout, to be unpacked into its folder ``dest``. Unsupported: this kind of client takes none.
        """
