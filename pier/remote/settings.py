"""What the registry client knows before it speaks to anyone (values).

Lifecycle: the daemon makes one :class:`~pier.remote.client.Registries` from one :class:`Settings`;
a pull, push or login asks it for a :class:`~pier.remote.client.Repository`, which finds the host's
endpoint, answers its challenges and keeps the tokens for the length of that one task.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who the user is at one registry; every field may be empty.

    ``identity_token`` is an OAuth2 refresh token from a login; ``registry_token`` a bearer token that
    is sent as it is. The secrets are not in ``repr``, so that no log line or traceback shows them.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    server_address: str = ""

    @classmethod
    def from_auth_config(cls, config: Mapping[str, Any]) -> "Credentials":
        """Read the Engine API's ``AuthConfig`` (also of the ``X-Registry-Auth`` header, once decoded)."""

        def text(key: str) -> str:
            value = config.get(key)
            return value if isinstance(value, str) else ""

        return cls(
            username=text("username"),
            password=text("password"),
            identity_token=text("identitytoken"),
            registry_token=text("registrytoken"),
            server_address=text("serveraddress"),
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """The daemon's settings for registries. Times are seconds.

    ``insecure``: ``host[:port]`` or CIDR blocks that may speak plain HTTP or show any certificate;
    loopback always may. ``certificates``: a folder laid out as Docker's ``certs.d``. ``environment`` holds the
    proxies; None is the process's own. ``mirrors``: by domain (``docker.io``), the base URLs of registries to pull
    from before it is asked itself. A path in one goes before the repository's name there; a user and password in one
    are for it alone.
    """

    insecure: tuple[str, ...] = ()
    certificates: str = "/etc/docker/certs.d"
    environment: Mapping[str, str] | None = None
    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mirror_timeout: float = 5.0
    ping_timeout: float = 15.0
    stall_timeout: float = 30.0
    attempts: int = 4
    first_delay: float = 0.5
    longest_delay: float = 20.0
    max_downloads: int = 3
    max_uploads: int = 5
    user_agent: str = "pier"
