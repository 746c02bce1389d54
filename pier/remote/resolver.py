"""From a registry's name to the places where it may answer (pure).

Docker's rules: Docker Hub is ``registry-1.docker.io``; every host is asked over
https; an insecure one (loopback, or listed by the user) may show any certificate there, and is then
asked over plain HTTP. Any domain may have mirrors, not Docker Hub alone.
"""

import ipaddress
from dataclasses import dataclass
from typing import Final

from yarl import URL

from pier.remote.settings import Credentials, Settings

HUB: Final = "docker.io"
HUB_REGISTRY: Final = "registry-1.docker.io"
_HUB_NAMES: Final = frozenset({HUB, "index.docker.io", HUB_REGISTRY})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One base URL of a registry. ``verify``: its certificate must be good.

    Of a mirror, ``prefix`` goes before the names of repositories, and ``credentials`` are its own: those of the
    registry that it mirrors are not for it to see.
    """

    base: URL
    verify: bool = True
    mirror: bool = False
    prefix: str = ""
    credentials: Credentials | None = None

    @property
    def v2(self) -> URL:
        return self.base / "v2/"

    @property
    def host(self) -> str:
        """``host[:port]`` as it was written, IPv6 in brackets."""
        return written_host(self.base)

    def owns(self, url: URL) -> bool:
        """Whether ``url`` is of this very origin, so that it may see the credentials."""
        return (url.scheme, url.raw_host, url.port) == (self.base.scheme, self.base.raw_host, self.base.port)


def written_host(url: URL) -> str:
    """``host[:port]`` of ``url`` as it was written: ``URL.authority`` adds a port, and takes IPv6's brackets away."""
    return url.raw_authority.rpartition("@")[2]


def endpoints(domain: str, settings: Settings) -> list[Endpoint]:
    """Where ``domain`` may answer, best first; never empty."""
    if domain in _HUB_NAMES:
        return [Endpoint(URL.build(scheme="https", host=HUB_REGISTRY))]
    secure = URL(f"https://{domain}")
    if not is_insecure(domain, settings.insecure):
        return [Endpoint(secure)]
    return [Endpoint(secure, verify=False), Endpoint(URL(f"http://{domain}"), verify=False)]


def mirrors(domain: str, settings: Settings) -> list[Endpoint]:
    """Where else images of ``domain`` may be pulled from, in the user's order."""
    urls = settings.mirrors.get(HUB if domain in _HUB_NAMES else domain, ())
    return [_mirror(URL(text), settings) for text in urls]


def _mirror(url: URL, settings: Settings) -> Endpoint:
    own = Credentials(url.user or "", url.password or "") if url.user else None
    verify = not is_insecure(written_host(url), settings.insecure)
    return Endpoint(
        URL(f"{url.scheme}://{written_host(url)}"), verify, mirror=True, prefix=url.path.strip("/"), credentials=own
    )


def is_insecure(domain: str, insecure: tuple[str, ...]) -> bool:
    """Whether ``domain`` (``host[:port]``) is loopback or named in ``insecure`` (hosts and CIDRs)."""
    host = URL(f"http://{domain}").host or ""
    if domain in insecure or host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or any(address in block for block in _blocks(insecure))


def _blocks(insecure: tuple[str, ...]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(text, strict=False) for text in insecure if "/" in text]
