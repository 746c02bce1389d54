"""Which proxy a URL goes through (pure): the usual environment variables, with Go's exceptions.

aiohttp's ``trust_env`` would do half of this, and send the passwords of ``~/.netrc`` along.
"""

import ipaddress
import os
from collections.abc import Mapping

from yarl import URL

from pier.errors import InvalidArgument, Unsupported


def proxy_for(url: URL, environment: Mapping[str, str] | None = None) -> URL | None:
    """The proxy for ``url``, or None: loopback and what ``NO_PROXY`` names is asked directly.

    Raises InvalidArgument or Unsupported, without the address: there may be a password in it.
    """
    variables = os.environ if environment is None else environment
    name = f"{url.scheme}_proxy"
    text = _variable(variables, name)
    if not text or not url.host or _excepted(url, _variable(variables, "no_proxy")):
        return None
    try:
        proxy = URL(text if "://" in text else f"http://{text}")
    except ValueError as error:
        raise InvalidArgument(f"invalid proxy address: {name.upper()} is no URL") from error
    if proxy.scheme not in ("http", "https"):
        raise Unsupported(f"unsupported proxy: {name.upper()} is of the scheme {proxy.scheme}, not http or https")
    if not proxy.host:
        raise InvalidArgument(f"invalid proxy address: {name.upper()} names no host")
    return proxy


def _variable(variables: Mapping[str, str], name: str) -> str:
    return variables.get(name.upper()) or variables.get(name) or ""


def _excepted(url: URL, no_proxy: str) -> bool:
    host = url.host or ""
    if host == "localhost" or _is_loopback(host):
        return True
    return any(_matches(entry.strip().lower(), host, url.port) for entry in no_proxy.split(",") if entry.strip())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _matches(entry: str, host: str, port: int | None) -> bool:
    """``*``, an address or a network, ``[IPv6]:port``, a name and all below it, or with a dot before it those alone."""
    if entry == "*":
        return True
    name, wanted = _split(entry)
    if wanted and wanted != str(port):
        return False
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    except ValueError:
        pass  # one of the two is a name
    name = name.removeprefix("*")
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _split(entry: str) -> tuple[str, str]:
    """The host, and the port or ""."""
    if entry.startswith("["):
        address, _, rest = entry[1:].partition("]")
        return address, rest.removeprefix(":")
    if entry.count(":") > 1:
        return entry, ""
    name, _, port = entry.partition(":")
    return name, port
