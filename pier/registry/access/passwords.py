"""Passwords: bcrypt, off the loop, and not again for each request of a client that was just let in."""

import asyncio
import hashlib
import hmac
import re
import secrets
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import bcrypt

from pier.errors import InvalidArgument
from pier.registry.threads import hop

LONGEST: Final = 72
"""Bytes that bcrypt looks at. What is longer is refused, rather than cut."""

_HASH: Final = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_COSTS: Final = range(4, 16)
_COST: Final = 10
_LIFE: Final = 120.0
_MOST: Final = 4096
_THREADS: Final = 2


def is_hash(text: str) -> bool:
    """Whether ``text`` is a bcrypt hash, of a cost that can be borne (15 is three seconds)."""
    fit = _HASH.fullmatch(text)
    return fit is not None and int(fit[1]) in _COSTS


def hash_password(password: str) -> str:
    """Takes 50 ms. Raises InvalidArgument for what bcrypt could not tell from another."""
    data = password.encode()
    if not data or len(data) > LONGEST or b"\0" in data:
        raise InvalidArgument(f"a password has 1 to {LONGEST} bytes, and no NUL")
    return bcrypt.hashpw(data, bcrypt.gensalt(_COST)).decode()


class Passwords:
    """Checks them. Who was right is remembered for two minutes, by a hash with a salt of this process."""

    def __init__(self) -> None:
        self._salt = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, float] = OrderedDict()
        self._checks: dict[bytes, asyncio.Task[bool]] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="passwords")
        self._nobodys = hash_password(secrets.token_hex())

    async def right(self, name: str, password: str, secret: str) -> bool:
        """``secret`` is the hash, empty for a name that nobody has: that takes as long, and is wrong."""
        key = self._key(name, password, secret)
        if self._right.get(key, 0.0) > time.monotonic():
            return True
        check = self._checks.get(key)
        if check is None:
            check = asyncio.create_task(hop(self._threads, _matches, password, secret or self._nobodys))
            self._checks[key] = check
            check.add_done_callback(lambda _: self._checks.pop(key, None))
        if not await asyncio.shield(check) or not secret:
            return False
        self._right[key] = time.monotonic() + _LIFE
        self._right.move_to_end(key)
        while len(self._right) > _MOST:
            self._right.popitem(last=False)
        return True

    def known(self, name: str, password: str, secret: str) -> bool:
        """Whether :meth:`right` would say yes at once."""
        return self._right.get(self._key(name, password, secret), 0.0) > time.monotonic()

    def checking(self, name: str, password: str, secret: str) -> bool:
        """Whether just this is being checked: who asks once more guesses nothing more."""
        return self._key(name, password, secret) in self._checks

    def _key(self, name: str, password: str, secret: str) -> bytes:
        text = "\0".join((secret, name, password))
        return hmac.digest(self._salt, text.encode(errors="surrogatepass"), hashlib.sha256)

    async def stop(self) -> None:
        for check in list(self._checks.values()):
            check.cancel()
        await asyncio.gather(*self._checks.values(), return_exceptions=True)
        self._threads.shutdown()


def _matches(password: str, secret: str) -> bool:
    data = password.encode(errors="surrogatepass")
    try:
        return len(data) <= LONGEST and bcrypt.checkpw(data, secret.encode())
    except ValueError:  # a NUL, a hash that is none
        return False
