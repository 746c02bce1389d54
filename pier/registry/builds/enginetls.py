"""An engine that speaks TLS: a folder with what both sides show, as Docker's ``DOCKER_CERT_PATH`` is laid out."""

import ssl
from pathlib import Path
from typing import Final

from pier.registry.builds.failed import BuildFailed

FILES: Final = ("ca.pem", "cert.pem", "key.pem")


def context(folder: str) -> ssl.SSLContext:
    """Only what ca.pem vouches for is the engine. Blocks. Raises BuildFailed."""
    authority, certificate, key = (Path(folder, name) for name in FILES)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        made.load_verify_locations(authority)
        made.load_cert_chain(certificate, key, password="")
    except OSError as error:
        raise BuildFailed(f"cannot use {', '.join(FILES)} in engine_certs {folder}: {error}") from error
    return made
