"""OpenStack Swift in one process, for tests: ``python3 -I swift_main.py FOLDER PORT``, with the system's interpreter.

FOLDER holds ``{proxy,account,container,object}.conf``; see :mod:`pier.testing.swift`. Prints ``ready``.
"""

import logging
import sys
from collections.abc import Callable, Iterable
from typing import Any

import eventlet
from eventlet import wsgi
from swift.common import utils

utils.eventlet_monkey_patch()
utils.validate_configuration = lambda: None
utils.HASH_PATH_PREFIX = utils.HASH_PATH_SUFFIX = b"pier"

from swift.common.ring import RingBuilder  # noqa: E402
from swift.common.wsgi import loadapp  # noqa: E402

SERVERS = ("account", "container", "object")


class Cache:
    """What Swift asks of memcached."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def get(self, key: str, *_: Any, **__: Any) -> Any:
        return self._values.get(key)

    def set(self, key: str, value: Any, *_: Any, **__: Any) -> None:
        self._values[key] = value

    def delete(self, key: str, *_: Any, **__: Any) -> None:
        self._values.pop(key, None)

    def incr(self, key: str, delta: int = 1, *_: Any, **__: Any) -> int:
        self._values[key] = value = int(self._values.get(key, 0)) + delta
        return value

    def get_multi(self, keys: Iterable[str], *_: Any, **__: Any) -> list[Any]:
        return [self._values.get(key) for key in keys]

    def set_multi(self, values: dict[str, Any], *_: Any, **__: Any) -> None:
        self._values.update(values)


def with_cache(app: Callable[[dict[str, Any], Any], Any]) -> Callable[[dict[str, Any], Any], Any]:
    cache = Cache()

    def call(environment: dict[str, Any], start: Any) -> Any:
        environment["swift.cache"] = cache
        return app(environment, start)

    return call


def main() -> None:
    folder, port = sys.argv[1], int(sys.argv[2])
    sockets = {name: eventlet.listen(("127.0.0.1", 0), backlog=256) for name in SERVERS}
    for name, socket in sockets.items():
        ring = RingBuilder(4, 1, 0)
        place = {"region": 1, "zone": 1, "weight": 1, "ip": "127.0.0.1", "device": "d1"}
        ring.add_dev({"id": 0, "port": socket.getsockname()[1], **place})
        ring.rebalance()
        ring.get_ring().save(f"{folder}/{name}.ring.gz")
    sockets["proxy"] = eventlet.listen(("127.0.0.1", port), backlog=256)
    servers = []
    for name, socket in sockets.items():
        app = loadapp(f"{folder}/{name}.conf", global_conf={"log_name": name})
        served = with_cache(app) if name == "proxy" else app
        servers.append(eventlet.spawn(wsgi.server, socket, served, logging.getLogger("requests")))
    print("ready", flush=True)
    for server in servers:
        server.wait()


main()
