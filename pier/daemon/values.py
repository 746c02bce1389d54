"""Texts of flags to values (pure). Each raises ValueError with the reason, in dockerd's words where it has some."""

import ipaddress
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp]?)i?b?", re.IGNORECASE)
_HUB: Final = "docker.io"
_HUB_NAMES: Final = frozenset({_HUB, "index.docker.io", "registry-1.docker.io"})
_PORT: Final = re.compile(r":(\d{1,20})$")
_LAST_PORT: Final = 65535
_ULIMITS: Final = frozenset(
    {"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio"}
    | {"rttime", "sigpending", "stack"}
)


def boolean(text: str) -> bool:
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f'strconv.ParseBool: parsing "{text}": invalid syntax')


def integer(text: str) -> int:
    if re.fullmatch(r"[+-]?\d+", text) is None:
        raise ValueError(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def size(text: str) -> int:
    """Bytes of ``64m``, ``1.5GiB``, ``1024``; units are powers of 1024."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"invalid size: '{text}'")
    return int(float(match[1]) * 1024 ** " kmgtp".index(match[2].lower() or " "))


def address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError as error:
        raise ValueError(f"invalid string being converted to IP address: {text}") from error


def cidr(text: str) -> str:
    """An interface address, ``172.20.0.1/24``; empty stays empty."""
    if not text:
        return ""
    try:
        if "/" not in text:
            raise ValueError("no prefix length")
        return str(ipaddress.IPv4Interface(text))
    except ValueError as error:
        raise ValueError(f"invalid CIDR address: {text}") from error


def mirror(text: str) -> str:
    """``[HOST=]URL``: the URL of a registry that mirrors HOST, Docker Hub where none is named."""
    host, url = _mirrored(text)
    shown = re.sub("//[^/]*@", "//", url)
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises ValueError where it is none
    except ValueError as error:
        raise ValueError(f'invalid mirror: "{shown}" is not a valid URI: {error}') from error
    if parts.scheme not in ("http", "https"):
        raise ValueError(f'invalid mirror: unsupported scheme "{parts.scheme}" in "{shown}"')
    if not parts.hostname:
        raise ValueError(f'invalid mirror: "{shown}" is not a valid URI: it names no host')
    if parts.query or parts.fragment:
        raise ValueError(f'invalid mirror: query or fragment at end of the URI "{shown}"')
    if not host:
        raise ValueError(f'invalid mirror: no registry is named before "={shown}"')
    return f"{host}={url}" if host != _HUB else url


def _mirrored(text: str) -> tuple[str, str]:
    """The registry that is mirrored, and the mirror's URL."""
    host, equals, url = text.partition("=")
    if not equals or "/" in host:
        return _HUB, text
    return (_HUB if host in _HUB_NAMES else host), url


def insecure(text: str) -> str:
    """``HOST[:PORT]`` or a network; what stands before it of a URL is left out, as dockerd does."""
    name = re.sub("^https?://", "", text, flags=re.IGNORECASE)
    if "://" in name:
        raise ValueError(f"insecure registry {name} should not contain '://'")
    with suppress(ValueError):
        return str(ipaddress.ip_network(name, strict=False)) if "/" in name else _host(name)
    why = f'invalid host "{name}"'
    if (port := _PORT.search(name)) and int(port[1]) > _LAST_PORT:
        why = f'invalid port "{port[1]}"'
    raise ValueError(f"insecure registry {name} is not valid: {why}")


def _host(name: str) -> str:
    """``name`` itself. Raises ValueError where it is no host."""
    parts = urlsplit(f"//{name}")
    if not parts.hostname or parts.port == 0 or re.search(r"[\s@/?#]", name):
        raise ValueError(name)
    return name


def by_host(mirrors: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Checked mirrors as URLs by the host that they mirror."""
    found: dict[str, tuple[str, ...]] = {}
    for text in mirrors:
        host, url = _mirrored(text)
        found[host] = (*found.get(host, ()), url)
    return found


def label(text: str) -> str:
    if not text.partition("=")[1]:
        raise ValueError(f"bad attribute format: {text}")
    return text


def pair(text: str) -> str:
    """``key=value``, neither empty."""
    key, _, value = text.partition("=")
    if not key.strip() or not value.strip():
        raise ValueError(f"bad format, key=value expected: {text}")
    return f"{key.strip()}={value.strip()}"


def ulimit(text: str) -> str:
    """``name=soft[:hard]``, checked and kept as text."""
    name, _, limits = text.partition("=")
    if not limits or name not in _ULIMITS:
        raise ValueError(
            f"invalid ulimit type: {name}" if limits or name not in _ULIMITS else f"invalid ulimit: {text}"
        )
    soft, _, hard = limits.partition(":")
    low, high = integer(soft), integer(hard or soft)
    if high not in (-1,) and low > high:
        raise ValueError(f"ulimit soft limit must be less than or equal to hard limit: {low} > {high}")
    return f"{name}={low}:{high}"


def ulimit_pair(text: str) -> tuple[str, tuple[int, int]]:
    """Take apart what :func:`ulimit` accepted."""
    name, _, limits = text.partition("=")
    soft, _, hard = limits.partition(":")
    return name, (int(soft), int(hard or soft))
