"""Other registries: what is pulled through, and replicated from and to."""

from pathlib import Path
from typing import Final

from yarl import URL

from pier.errors import InvalidArgument
from pier.oci.reference import Reference
from pier.registry.settings import Remote
from pier.remote.repository import Repository
from pier.remote.resolver import HUB, HUB_REGISTRY, Endpoint
from pier.remote.settings import Credentials
from pier.remote.settings import Settings as ClientSettings
from pier.remote.transport import Transport
from pier.version import VERSION

_HUBS: Final = frozenset({HUB, "index.docker.io", HUB_REGISTRY})
AGENT: Final = f"pier-registry/{VERSION}"


class Remotes:
    """The connections to them. Make it inside the loop that uses it, and ``stop`` it there."""

    def __init__(self, settings: ClientSettings | None = None) -> None:
        self._transport = Transport(settings or ClientSettings(user_agent=AGENT))

    def repository(self, remote: Remote, name: str, *, push: bool = False) -> Repository:
        """``name`` there, for :mod:`pier.remote.fetch` and :mod:`pier.remote.push`; nobody is asked yet.

        Tokens are kept in it: it is for more than one question. Raises InvalidArgument where the password cannot be
        read.
        """
        url = _address(remote)
        if url.host == HUB_REGISTRY:
            name = name if "/" in name else f"library/{name}"
        endpoint = Endpoint(url.origin(), verify=not remote.insecure, prefix=url.path.strip("/"))
        reference = Reference(url.authority, name)
        return Repository(self._transport, endpoint, reference, [], credentials(remote), push=push)

    def registry(self, remote: Remote) -> Repository:
        """The other registry itself, for what is about no repository. Raises as :meth:`repository` does."""
        url = _address(remote)
        endpoint = Endpoint(url.origin(), verify=not remote.insecure)
        return Repository(self._transport, endpoint, Reference(url.authority, ""), [], credentials(remote))

    async def stop(self) -> None:
        await self._transport.close()


def _address(remote: Remote) -> URL:
    url = URL(remote.url)
    return url.with_host(HUB_REGISTRY) if url.host in _HUBS else url


def credentials(remote: Remote) -> Credentials | None:
    """Who we are there. The password's file is read again each time. Raises InvalidArgument."""
    if not remote.username:
        return None
    password = remote.password
    if remote.password_file:
        try:
            password = Path(remote.password_file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            why = (error.strerror or "").lower() if isinstance(error, OSError) else "it is no text"
            raise InvalidArgument(f"cannot read the password in {remote.password_file}: {why}") from error
    return Credentials(remote.username, password)
