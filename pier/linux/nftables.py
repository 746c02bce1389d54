"""nftables: rulesets as text through libnftables (in this process), and news of changes over netlink.

A ruleset text is one transaction: all of it lands or none. Loading a table takes about 1 ms, adding
an element to a map 0.1 ms.
"""

import ctypes
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from pier.errors import Internal, Unsupported
from pier.linux import netlink
from pier.linux.netlink import Message, NetlinkSocket, attributes, text

_LIBRARY: Final = "libnftables.so.1"
_OUTPUT_JSON: Final = 1 << 4
_OUTPUT_HANDLE: Final = 1 << 3
_lock: Final = threading.Lock()

_SUBSYSTEM: Final = 10
_NEW_GENERATION: Final = _SUBSYSTEM << 8 | 15
_GROUP: Final = 7
_TABLE_NAME: Final = 1  # the same attribute number in messages of tables, chains, rules, sets and elements
_GENERATION_PROCESS: Final = 2


def apply(ruleset: str) -> None:
    """Run nft commands as one transaction. Unsupported without libnftables; Internal with nft's own words."""
    _run(ruleset, 0)


def query(command: str) -> list[dict[str, Any]]:
    """Run a ``list`` command; the objects of its JSON form (libnftables-json(5)), handles included."""
    objects: list[dict[str, Any]] = json.loads(_run(command, _OUTPUT_JSON | _OUTPUT_HANDLE) or '{"nftables": []}')[
        "nftables"
    ]
    return objects


def open_monitor() -> NetlinkSocket:
    """A socket that hears of every change of any ruleset in this network namespace."""
    return NetlinkSocket(netlink.NETFILTER, groups=[_GROUP])


@dataclass(frozen=True, slots=True)
class Change:
    """A transaction of process ``pid`` that touched the named tables."""

    pid: int
    tables: frozenset[str]


def changes(messages: Sequence[Message]) -> list[Change]:
    """What a monitor heard, one value a transaction."""
    found: list[Change] = []
    tables: set[str] = set()
    for message in messages:
        said = attributes(message.body[4:])
        if message.type == _NEW_GENERATION:
            pid = int.from_bytes(said.get(_GENERATION_PROCESS, b""), "big")
            found.append(Change(pid, frozenset(tables)))
            tables = set()
        elif message.type >> 8 == _SUBSYSTEM and _TABLE_NAME in said:
            tables.add(text(said[_TABLE_NAME]))
    if tables:
        found.append(Change(0, frozenset(tables)))
    return found


def _run(command: str, flags: int) -> str:
    library, context = _open()
    with _lock:
        library.nft_ctx_output_set_flags(context, flags)
        failed = library.nft_run_cmd_from_buffer(context, command.encode())
        output: bytes = library.nft_ctx_get_output_buffer(context) or b""
        said: bytes = library.nft_ctx_get_error_buffer(context) or b""
    if failed:
        raise Internal(f"nftables: {_first_line(said)}")
    return output.decode(errors="replace")


def _first_line(said: bytes) -> str:
    """libnftables repeats the whole command below its one line of explanation."""
    return said.decode(errors="replace").partition("\n")[0].strip()[:500]


@cache
def _open() -> tuple[ctypes.CDLL, ctypes.c_void_p]:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise Unsupported(f"{_LIBRARY} is not installed: bridge networks need the package libnftables1") from error
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_new.argtypes = [ctypes.c_uint32]
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    for name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
        getattr(library, name).restype = ctypes.c_char_p
    context = ctypes.c_void_p(library.nft_ctx_new(0))
    library.nft_ctx_buffer_output(context)
    library.nft_ctx_buffer_error(context)
    return library, context
