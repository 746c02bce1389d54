"""``stats``: what containers use, once or live."""

from __future__ import annotations

import sys
import threading
import time

from pier.cli.call import Call
from pier.cli.command import Command, Failure, Flag
from pier.cli.commands.ps import FORMAT_HELP
from pier.cli.config import load
from pier.cli.render import Shape, show, table
from pier.cli.units import binary_size, size
from pier.client import containers
from pier.client.session import Client
from pier.errors import PierError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

COLUMNS = ("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")
HEADERS = {
    "ID": "CONTAINER ID",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET I/O",
    "BlockIO": "BLOCK I/O",
}
REFRESH = 0.5
HOME, CLEAR, CLEAR_LINE, CLEAR_BELOW = "\x1b[H", "\x1b[2J", "\x1b[K", "\x1b[J"


class Watched:
    """One container: the name it was asked by, and the last sample (None until there is one)."""

    __slots__ = ("error", "gone", "name", "sample")

    def __init__(self, name: str) -> None:
        self.name = name
        self.sample: Json | None = None
        self.error: PierError | None = None
        self.gone = False


def shape(truncate: bool) -> Shape:
    def known(text: Any) -> Any:
        return lambda watched: "--" if watched.sample is None else text(watched.sample)

    return Shape(
        "*formatter.statsContext",
        {
            "Container": lambda watched: watched.name,
            "Name": known(lambda sample: sample.get("name", "").removeprefix("/") or "--"),
            "ID": known(lambda sample: sample.get("id", "")[:12] if truncate else sample.get("id", "")),
            "CPUPerc": known(lambda sample: f"{cpu_percent(sample):.2f}%"),
            "MemUsage": lambda watched: _memory_text(watched.sample),
            "MemPerc": known(lambda sample: f"{_memory_percent(sample):.2f}%"),
            "NetIO": known(_network_text),
            "BlockIO": known(_block_text),
            "PIDs": known(lambda sample: str((sample.get("pids_stats") or {}).get("current", 0))),
        },
        HEADERS,
    )


def cpu_percent(sample: Json) -> float:
    """Of one CPU: 200 means two whole CPUs."""
    now, before = sample.get("cpu_stats") or {}, sample.get("precpu_stats") or {}
    used = _total(now) - _total(before)
    system = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    cpus = now.get("online_cpus") or len((now.get("cpu_usage") or {}).get("percpu_usage") or ())
    return used / system * cpus * 100 if used > 0 and system > 0 else 0.0


def _total(stats: Json) -> int:
    return int((stats.get("cpu_usage") or {}).get("total_usage", 0))


def memory(sample: Json) -> tuple[int, int]:
    """Used without what the page cache could give back, and the limit."""
    stats = sample.get("memory_stats") or {}
    usage, detail = stats.get("usage", 0), stats.get("stats") or {}
    for name in ("total_inactive_file", "inactive_file"):
        if name in detail:
            if detail[name] < usage:
                usage -= detail[name]
            break
    return usage, stats.get("limit", 0)


def _memory_text(sample: Json | None) -> str:
    if sample is None:
        return "-- / --"
    used, limit = memory(sample)
    return f"{binary_size(used)} / {binary_size(limit)}"


def _memory_percent(sample: Json) -> float:
    used, limit = memory(sample)
    return used / limit * 100 if limit else 0.0


def _network_text(sample: Json) -> str:
    networks = (sample.get("networks") or {}).values()
    received = sum(each["rx_bytes"] for each in networks)
    return f"{size(received, 3)} / {size(sum(each['tx_bytes'] for each in networks), 3)}"


def _block_text(sample: Json) -> str:
    entries = (sample.get("blkio_stats") or {}).get("io_service_bytes_recursive") or []
    read = sum(each["value"] for each in entries if each["op"][:1].lower() == "r")
    written = sum(each["value"] for each in entries if each["op"][:1].lower() == "w")
    return f"{size(read, 3)} / {size(written, 3)}"


def _watch(call: Call, watched: Watched, stream: bool) -> None:
    """A thread: fills ``watched`` until the container or the command ends."""
    try:
        for sample in containers.stats(Client(call.client.endpoint, call.client.version), watched.name, stream):
            watched.sample = sample
    except PierError as error:
        watched.error = error
    except OSError:
        pass
    watched.gone = True


def stats(call: Call) -> int:
    form = call.text("format") or load(call.options).format("statsFormat")
    live = not call.flag("no-stream")
    watched = [Watched(name) for name in call.args or _names(call)]
    threads = [threading.Thread(target=_watch, args=(call, each, live), daemon=True) for each in watched]
    for thread in threads:
        thread.start()
    if not live:
        for thread in threads:
            thread.join()
    _fail_for_missing(call, watched, threads)
    look = shape(not call.flag("no-trunc"))
    default = table(COLUMNS)
    if not live:
        show(look, [each for each in watched if each.error is None], form, default)
        return 0
    return _live(call, watched, look, form, default)


def _names(call: Call) -> list[str]:
    return [each["Id"][:12] for each in containers.listing(call.client, call.flag("all"))]


def _fail_for_missing(call: Call, watched: list[Watched], threads: list[threading.Thread]) -> None:
    """A name that was asked for and does not exist is an error; wait until each has answered once."""
    if not call.args:
        return
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline and any(not each.gone and each.sample is None for each in watched):
        time.sleep(0.02)
    from pier.cli.errors import sentence

    errors = [sentence(each.error) for each in watched if each.error is not None]
    if errors:
        raise Failure("\n".join(errors))


def _live(call: Call, watched: list[Watched], look: Shape, form: str, default: str) -> int:
    import io

    sys.stdout.write(CLEAR)
    while True:
        if not call.args:
            _refresh(call, watched)
        screen = io.StringIO()
        output, sys.stdout = sys.stdout, screen
        try:
            show(look, [each for each in watched if not each.gone], form, default)
        finally:
            sys.stdout = output
        lines = screen.getvalue().split("\n")
        sys.stdout.write(HOME + "".join(line + CLEAR_LINE + "\n" for line in lines) + CLEAR_BELOW)
        sys.stdout.flush()
        if call.args and all(each.gone for each in watched):
            return 0
        time.sleep(REFRESH)


def _refresh(call: Call, watched: list[Watched]) -> None:
    """Watch containers that have come, forget those that have gone."""
    known = {each.name for each in watched if not each.gone}
    watched[:] = [each for each in watched if not each.gone]
    for name in _names(call):
        if name not in known:
            watched.append(Watched(name))
            threading.Thread(target=_watch, args=(call, watched[-1], True), daemon=True).start()


STATS = Command(
    stats,
    "[CONTAINER...]",
    (
        Flag("all", "bool", "Show all containers, not only those that run", "a"),
        Flag("format", "string", FORMAT_HELP),
        Flag("no-stream", "bool", "Print once and end"),
        Flag("no-trunc", "bool", "Do not shorten anything"),
    ),
    completes="running",
)
