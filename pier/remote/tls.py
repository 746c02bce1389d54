"""How TLS is spoken with a registry: the system's authorities, plus what Docker's ``certs.d`` adds.

``certs.d/<host[:port]>/`` (the registry as images name it) holds ``*.crt`` (authorities), and pairs ``*.cert`` and
``*.key`` (client certificates).
"""

import os
import ssl
from functools import lru_cache
from pathlib import Path

from pier.errors import InvalidArgument
from pier.remote.resolver import Endpoint

Stamp = tuple[tuple[str, int, int, int], ...]
"""Name, inode, size and time of each file: other certificates are another stamp."""


def context(endpoint: Endpoint, certificates: str) -> ssl.SSLContext:
    """The context for ``endpoint``, as its folder is now. Raises InvalidArgument where the files are unfit.

    Blocks for about 20 ms the first time (it loads the authorities).
    """
    folder = Path(certificates) / endpoint.host
    return _context(endpoint.verify, str(folder), _stamp(folder))


def _stamp(folder: Path) -> Stamp:
    try:
        return tuple(sorted(_file(folder / name) for name in os.listdir(folder)))
    except OSError:
        return ()


def _file(path: Path) -> tuple[str, int, int, int]:
    try:
        known = path.stat()
    except OSError:
        return path.name, 0, 0, 0
    return path.name, known.st_ino, known.st_size, known.st_mtime_ns


@lru_cache(maxsize=64)
def _context(verify: bool, folder: str, stamp: Stamp) -> ssl.SSLContext:
    made = ssl.create_default_context()
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    names = [name for name, *_ in stamp]
    for name in names:
        try:
            _add(made, Path(folder), name, names)
        except ssl.SSLError as error:
            raise InvalidArgument(f"cannot use the certificates in {folder}: {name}: {_why(error)}") from error
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise InvalidArgument(f"cannot use the certificates in {folder}: {name}: {why}") from error
    return made


def _add(made: ssl.SSLContext, folder: Path, name: str, names: list[str]) -> None:
    stem, suffix = os.path.splitext(name)
    certificate, key = f"{stem}.cert", f"{stem}.key"
    if suffix == ".crt":
        made.load_verify_locations(folder / name)
    elif suffix == ".key" and certificate not in names:
        raise InvalidArgument(f"missing client certificate {certificate} for key {name}")
    elif suffix == ".cert":
        if key not in names:
            hint = "CA certificates must use the extension .crt"
            raise InvalidArgument(f"missing key {key} for client certificate {name}. {hint}")
        made.load_cert_chain(folder / name, folder / key, password=_nobody_to_ask)


def _nobody_to_ask() -> str:
    """In the place of OpenSSL's own question at the terminal."""
    raise InvalidArgument("a client certificate's key must not need a password")


def _why(error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "private key does not match public key"
    return (error.reason or "no certificate in it").lower().replace("_", " ")
