"""``-p``, ``--expose``: port specifications to the API's maps."""

from __future__ import annotations

from pier.cli.values import uint16
from pier.errors import InvalidArgument

PROTOCOLS = ("tcp", "udp", "sctp")
Bindings = dict[str, list[dict[str, str]]]


def publish(specs: list[str]) -> Bindings:
    """``[[ip:]host:]container[/protocol]``, each with ranges, or ``published=..,target=..``. Raises InvalidArgument."""
    bindings: Bindings = {}
    for spec in specs:
        for port, address, host in _one(_short_form(spec)):
            bindings.setdefault(port, []).append({"HostIp": address, "HostPort": host})
    return bindings


def _short_form(spec: str) -> str:
    if "=" not in spec:
        return spec
    fields = {"published": "", "target": "", "protocol": "tcp"}
    for part in spec.split(","):
        key, equals, value = part.partition("=")
        if not equals or key not in fields:
            raise InvalidArgument(f"invalid publish opts format (should be name=value but got '{part}')")
        fields[key] = value
    return f"{fields['published']}:{fields['target']}/{fields['protocol']}"


def _one(spec: str) -> list[tuple[str, str, str]]:
    rest, _, container = spec.rpartition(":")
    address, _, host = rest.rpartition(":")
    container_ports, slash, protocol = container.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    address = _address(address)
    if not container_ports:
        raise InvalidArgument(f"no port specified: {spec}<empty>")
    first, last = _range(container_ports, "containerPort")
    host_first, host_last = _range(host, "hostPort") if host else (0, 0)
    if host and last - first != host_last - host_first and last != first:
        raise InvalidArgument(f"invalid ranges specified for container and host Ports: {container_ports} and {host}")
    if protocol not in PROTOCOLS:
        raise InvalidArgument(f"invalid proto: {protocol}")
    if host and first == last and host_first != host_last:
        return [(f"{first}/{protocol}", address, f"{host_first}-{host_last}")]
    return [
        (f"{first + step}/{protocol}", address, str(host_first + step) if host else "")
        for step in range(last - first + 1)
    ]


def _address(text: str) -> str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if bare and not is_address(bare):
        raise InvalidArgument(f"invalid IP address: {text}")
    return bare


def is_address(text: str) -> bool:
    from _socket import AF_INET, AF_INET6, inet_pton

    try:
        inet_pton(AF_INET6 if ":" in text else AF_INET, text)
    except (OSError, ValueError):
        return False
    return True


def _range(text: str, name: str) -> tuple[int, int]:
    try:
        return port_range(text)
    except ValueError:
        raise InvalidArgument(f"invalid {name}: {text}") from None


def port_range(text: str) -> tuple[int, int]:
    """``8000`` or ``8000-8010``. Raises ``ValueError``."""
    if not text:
        raise ValueError("empty string specified for ports")
    first, dash, last = text.partition("-")
    low = uint16(first)
    high = uint16(last) if dash else low
    if high < low:
        raise ValueError(f"invalid range specified for port: {text}")
    return low, high


def exposed(specs: list[str]) -> dict[str, dict[str, str]]:
    """``--expose 80``, ``80-90/udp``. Raises InvalidArgument."""
    ports: dict[str, dict[str, str]] = {}
    for spec in specs:
        if ":" in spec:
            raise InvalidArgument(f"invalid port format for --expose: {spec}")
        numbers, slash, protocol = spec.partition("/")
        try:
            low, high = port_range(numbers)
        except ValueError as error:
            raise InvalidArgument(f"invalid range format for --expose: {spec}, error: {error}") from None
        protocol = protocol.lower() if slash else "tcp"
        if protocol not in PROTOCOLS:
            continue
        for port in range(low, high + 1):
            ports[f"{port}/{protocol}"] = {}
    return ports
