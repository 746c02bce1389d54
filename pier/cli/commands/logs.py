"""``logs``."""

from __future__ import annotations

import sys
import time

from pier.cli.call import Call
from pier.cli.command import Command, Flag
from pier.cli.relay import write_all
from pier.client import containers
from pier.client.stream import STDERR, Demultiplexer
from pier.errors import InvalidArgument


def logs(call: Call) -> int:
    """Output goes to our output, errors to our errors; with a terminal in the container everything is output."""
    name = call.args[0]
    response = containers.logs(
        call.client,
        name,
        follow=call.flag("follow"),
        since=timestamp(call.text("since"), 'invalid value for "since": '),
        until=timestamp(call.text("until"), 'invalid value for "until": '),
        timestamps=call.flag("timestamps"),
        tail=call.text("tail"),
        details=call.flag("details"),
    )
    sys.stdout.flush()
    multiplexed = "multiplexed" in response.headers.get("content-type", "")
    framed = multiplexed or not containers.inspect(call.client, name)["Config"]["Tty"]
    frames = Demultiplexer()
    for piece in response.pieces():
        if not framed:
            write_all(1, piece)
            continue
        for source, payload in frames.feed(piece):
            write_all(2 if source == STDERR else 1, payload)
    return 0


def timestamp(text: str, prefix: str = "") -> str:
    """What the API takes: seconds since 1970, of a date, a time, or a duration before now ("42m")."""
    if not text or text.replace(".", "", 1).isdecimal():
        return text
    try:
        from pier.cli.options.quantities import duration

        before = duration(text)
    except ValueError:
        return _date(text, prefix)
    nanoseconds = time.time_ns() - before
    return f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09d}"


def _date(text: str, prefix: str) -> str:
    from datetime import datetime

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidArgument(f'{prefix}failed to parse value as time or duration: "{text}"') from None
    fraction = text.partition(".")[2].rstrip("Z").partition("+")[0].partition("-")[0]
    seconds = int(moment.replace(microsecond=0).timestamp())
    return f"{seconds}.{fraction[:9]:0<9}"


LOGS = Command(
    logs,
    "CONTAINER",
    (
        Flag("details", "bool", "Show what the log driver adds to each line"),
        Flag("follow", "bool", "Go on showing what it prints", "f"),
        Flag("since", "string", 'Show what was printed since then ("2013-01-02T13:23:37Z", or "42m" ago)'),
        Flag("tail", "string", "Number of lines to show from the end", "n", "all"),
        Flag("timestamps", "bool", "Show when each line was printed", "t"),
        Flag("until", "string", 'Show what was printed before then ("2013-01-02T13:23:37Z", or "42m" ago)'),
    ),
    minimum=1,
    maximum=1,
    completes="containers",
    examples=(("pier logs -f --tail 20 web", "The last lines, and what comes"),),
)
