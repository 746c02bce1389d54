"""What went wrong with git, in words that say what to do (pure)."""

import re
from typing import Final

from pier.errors import NoSpace, PierError, Unavailable
from pier.registry.builds.failed import BuildFailed
from pier.registry.settings import Build

NO_ROOM: Final = "there is no room for the repository on the registry's disk"
_LONGEST: Final = 600
_TELLING: Final = re.compile(r"fatal:|error:|ERROR:|remote:|ssh:|Load key|\S+@\S+: ")
_NOT_GIVEN: Final = re.compile(
    r"not our ref|Unable to find [0-9a-f]{40}|unadvertised object|no such remote ref|shallow capabilities"
    r"|[Cc]ouldn't find remote ref [0-9a-f]{40}"
)
_BUSY: Final = re.compile(
    r"Could not resolve host|no such host|unable to connect|[Cc]onnection (refused|reset|timed out|closed)"
    r"|No route to host|HTTP 5\d\d|returned error: (429|5\d\d)|Rate limit exceeded|\bEOF|SSL_ERROR|TLS"
    r"|unexpected disconnect|Operation too slow|timed out|i/o timeout|hung up"
)
_FULL: Final = re.compile("No space left on device|Out of diskspace")
_ADVICE: Final[tuple[tuple[str, str], ...]] = (
    (r"git: not found", 'there is no git on the registry\'s host: install the package "git"'),
    (r"'lfs' is not a git command", 'there is no git-lfs on the registry\'s host: install the package "git-lfs"'),
    (
        r"cannot run ssh|ssh: not found",
        'there is no ssh on the registry\'s host: install the package "openssh-client"',
    ),
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the server's host key is another than in git_known_hosts_file: if that is so by right, put the new one there",
    ),
    (
        r"Host key verification failed",
        "the server's host key is not in git_known_hosts_file: put there what the Git service publishes as its own",
    ),
    (
        r"Load key .*: (bad permissions|Permission denied)|UNPROTECTED PRIVATE KEY",
        "git_key_file may be read by others, and ssh takes none that may: chmod 600",
    ),
    (r"Identity file .* not accessible|Load key .*: No such file", "git_key_file is not there"),
    (r"Load key ", "git_key_file cannot be used: it has to be a private key of OpenSSH's"),
    (
        r"Permission denied \(",
        "the server does not accept git_key_file: enter its public half there as a deploy key; it has to be without a "
        "passphrase, or with the one in git_key_passphrase_file",
    ),
    (
        r"certificate (problem|verif)|CAfile|local issuer|self.signed",
        "the server's certificate is not trusted: name its authority in git_ca_file",
    ),
    (
        r"Authentication failed|could not read (Username|Password)|HTTP 40[13]|returned error: 40[13]|Invalid username"
        r"|Authorization error",
        "the server refuses git_username with git_password: the token may be wrong, over, or not for this repository",
    ),
    (r"expected OID|Object does not exist", "the server of Git LFS does not give what the commit names"),
    (
        r"not (be )?found|[Nn]ot Found|does not exist|does not appear to be a git repository|returned error: 404",
        "there is no such repository, or not for these credentials",
    ),
)


def not_given(errors: str) -> bool:
    """Whether the server does not know, or does not give, the commit by its number."""
    return _NOT_GIVEN.search(errors) is not None


def failure(rule: Build, errors: str) -> PierError:
    """BuildFailed; Unavailable or NoSpace for what may pass. ``errors`` have no secrets: see :func:`hidden`."""
    if _FULL.search(errors):
        return NoSpace(NO_ROOM)
    said = _last(errors)
    advice = next((advice for pattern, advice in _ADVICE if re.search(pattern, errors)), "")
    if advice:
        return BuildFailed(f"{rule.repository}: {advice} ({said})")
    kind = Unavailable if _BUSY.search(errors) else BuildFailed
    return kind(f"{rule.repository} cannot be fetched: {said}")


def hidden(text: str, secret: str) -> str:
    return text.replace(secret, "***") if secret else text


def _last(errors: str) -> str:
    """The lines that say why."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.match(line)] or lines[-2:]
    return " ".join(telling)[-_LONGEST:] or "git says nothing"
