"""The registry's certificate, which is read again without a restart: new connections get the new one."""

import ssl
from pathlib import Path
from typing import Final

from pier.errors import InvalidArgument
from pier.log import Logger

_log: Final = Logger("pier.registry")


class TLS:
    """``context`` stays the same for the process's life. Raises InvalidArgument for files that do not make a pair."""

    def __init__(self, certificate: str, key: str) -> None:
        self._certificate = certificate
        self._key = key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self._loaded = b""
        self._load()

    async def reload(self) -> None:
        """Take what the files say now. Raises InvalidArgument, and keeps what was there."""
        if self._read() != self._loaded:
            self._load()
            _log.info("the certificate was read again", file=self._certificate)

    def _load(self) -> None:
        try:
            check = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            check.load_cert_chain(self._certificate, self._key)  # a pair that does not fit must not reach the other
            self.context.load_cert_chain(self._certificate, self._key)
            self._loaded = self._read()
        except OSError as error:
            raise InvalidArgument(f"cannot load the TLS files ({self._certificate}, {self._key}): {error}") from error

    def _read(self) -> bytes:
        try:
            return Path(self._certificate).read_bytes() + Path(self._key).read_bytes()
        except OSError as error:
            raise InvalidArgument(f"cannot load the TLS files ({self._certificate}, {self._key}): {error}") from error
