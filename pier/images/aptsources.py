"""What the host's apt says about where packages come from (pure): its targets and its configuration."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

TARGET_FORMAT: Final = "$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)\t$(ORIGIN)\t$(CODENAME)"
"""For ``apt-get indextargets --format``, with ``Created-By: Packages``."""

_CARRIED: Final = re.compile(
    r"Acquire::(?:(?:https?|ftp)::(?:Proxy|Verify-|Pipeline-Depth|Timeout|User-Agent)[\w:.-]*"
    r"|Retries|ForceIPv[46]|Check-Valid-Until|Check-Date|Languages[:\w]*)"
)
_PROXY: Final = re.compile(r"Acquire::(?:https?|ftp)::Proxy(?:::[\w.-]+)?")
_UNKNOWN: Final = ("", "$(ORIGIN)")
_ROLLING: Final = frozenset({"sid", "unstable", "experimental", "rc-buggy"})


@dataclass(frozen=True, slots=True)
class Source:
    """One archive and release with its components: a line of ``sources.list``."""

    uri: str
    release: str
    components: tuple[str, ...]

    def line(self) -> str:
        return f"deb {self.uri} {self.release} {' '.join(self.components)}"


def host_sources(targets: str, origin: str) -> list[Source]:
    """The archives of the distribution ``origin`` (``Debian``), in the order of the host's own lists.

    ``targets`` is apt's answer to :data:`TARGET_FORMAT`. An archive that was never updated has no origin yet;
    its component then has to be ``main``.
    """
    found: dict[tuple[str, str], dict[str, None]] = {}
    for line in targets.splitlines():
        uri, release, component, said, _ = (line.split("\t") + [""] * 5)[:5]
        if said == origin or (said in _UNKNOWN and component == "main"):
            found.setdefault((uri, release), {})[component] = None
    return [Source(uri, release, tuple(components)) for (uri, release), components in found.items()]


def host_suite(sources: Iterable[Source]) -> str:
    """The suite that the host itself runs: the release without a pocket; "" where there is none."""
    names = [source.release.rstrip("/") for source in sources]
    plain = [name for name in names if "-" not in name and "/" not in name]
    return plain[0] if plain else ""


def for_suite(sources: Iterable[Source], suite: str) -> list[Source]:
    """``sources`` with their suite replaced by ``suite``; a rolling suite has no updates and no security."""
    sources = list(sources)
    own = host_suite(sources)
    moved = []
    for source in sources:
        base, pocket = source.release[: len(own)], source.release[len(own) :]
        if base == own and not (pocket and suite in _ROLLING):
            moved.append(replace(source, release=suite + pocket))
    return moved


def carried_options(configuration: str) -> list[str]:
    """The lines of ``apt-config dump`` that an image needs to reach the archives as the host does.

    A proxy on the host's loopback is left out: no container could reach it.
    """
    kept = []
    for line in configuration.splitlines():
        key, _, value = line.rstrip(";").partition(" ")
        text = value.strip('"')
        if text and _CARRIED.fullmatch(key) and not (_PROXY.fullmatch(key) and _on_loopback(text)):
            kept.append(f'{key} "{text}";')
    return kept


def loopback_proxies(configuration: str) -> dict[str, str]:
    """Proxies on the host's loopback, as environment variables: for the making of the image only."""
    found = {}
    for line in configuration.splitlines():
        key, _, value = line.rstrip(";").partition(" ")
        text = value.strip('"')
        if re.fullmatch(r"Acquire::https?::Proxy", key) and text and _on_loopback(text):
            found[f"{key.split('::')[1].lower()}_proxy"] = text
    return found


def _on_loopback(proxy: str) -> bool:
    host = urlsplit(proxy).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def extra_authorities(bundle: str, shipped: Iterable[str]) -> list[str]:
    """Certificates (PEM) of the host's ``bundle`` that are in none of the ``shipped`` files: the site's own."""
    pattern = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
    known = {_body(pem) for text in shipped for pem in pattern.findall(text)}
    return [pem for pem in dict.fromkeys(pattern.findall(bundle)) if _body(pem) not in known]


def _body(pem: str) -> str:
    return "".join(pem.split())
