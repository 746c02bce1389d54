"""``--security-opt`` and what else confines a container (pure)."""

from dataclasses import dataclass
from typing import Literal

from pier.containers.hostconfig import HostConfig
from pier.errors import InvalidArgument
from pier.runtime.plan import UNCONFINED
from pier.runtime.seccomp import Profile, parse


@dataclass(frozen=True, slots=True)
class Confinement:
    """``seccomp`` None is the host's default profile; ``apparmor`` None is none asked for."""

    seccomp: Profile | Literal["unconfined"] | None = None
    apparmor: str | None = None
    no_new_privileges: bool = False
    masked_paths: tuple[str, ...] | None = None
    readonly_paths: tuple[str, ...] | None = None


def confinement(host: HostConfig) -> Confinement:
    """What the options say; InvalidArgument for a seccomp profile that is none."""
    options = dict(split_option(text) for text in host.security_opt or ())
    open_paths = options.get("systempaths") == UNCONFINED or host.privileged
    return Confinement(
        seccomp=_seccomp(options.get("seccomp", UNCONFINED if host.privileged else "")),
        apparmor=None if options.get("apparmor") == UNCONFINED else options.get("apparmor"),
        no_new_privileges=_switch(options.get("no-new-privileges", "false")),
        masked_paths=() if open_paths else host.masked_paths,
        readonly_paths=() if open_paths else host.readonly_paths,
    )


def split_option(text: str) -> tuple[str, str]:
    """``key=value`` (``key:value`` of old clients too); a bare switch is ``true``."""
    if "=" in text:
        key, _, value = text.partition("=")
    else:
        key, colon, value = text.partition(":")
        value = value if colon else "true"
    return key, value


def _switch(text: str) -> bool:
    if text not in ("true", "false", "1", "0"):
        raise InvalidArgument(f'invalid --security-opt 2: "no-new-privileges={text}"')
    return text in ("true", "1")


def _seccomp(text: str) -> Profile | Literal["unconfined"] | None:
    if text == UNCONFINED:
        return UNCONFINED
    if text in ("", "builtin"):
        return None
    return parse(text)
