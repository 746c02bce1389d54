"""How TLS is spoken with a registry: the system's authorities, plus what Docker's ``certs.d`` adds.

``certs.d/<host[:port]>/`` holds ``*.crt`` (authorities), and pairs ``*.cert`` and ``*.key`` (client
certificates).
"""

import ssl
from functools import lru_cache
from pathlib import Path

from pier.errors import InvalidArgument
from pier.remote.resolver import Endpoint


def context(endpoint: Endpoint, certificates: str) -> ssl.SSLContext:
    """The context for ``endpoint``. Blocks for about 20 ms the first time (it loads the authorities)."""
    folder = Path(certificates) / endpoint.host
    stamp = folder.stat().st_mtime_ns if folder.is_dir() else 0
    return _context(endpoint.verify, str(folder) if stamp else "", stamp)


@lru_cache(maxsize=64)
def _context(verify: bool, folder: str, _stamp: int) -> ssl.SSLContext:
    made = ssl.create_default_context()
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if folder:
        try:
            _add_certificates(made, Path(folder))
        except (OSError, ssl.SSLError) as error:
            raise InvalidArgument(f"cannot use the certificates in {folder}: {error}") from error
    return made


def _add_certificates(made: ssl.SSLContext, folder: Path) -> None:
    for authority in sorted(folder.glob("*.crt")):
        made.load_verify_locations(authority)
    for certificate in sorted(folder.glob("*.cert")):
        made.load_cert_chain(certificate, certificate.with_suffix(".key"))
