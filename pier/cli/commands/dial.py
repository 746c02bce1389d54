"""``system dial-stdio``: our standard streams as a connection to the daemon, for clients that come over ssh."""

from __future__ import annotations

from pier.cli.call import Call
from pier.cli.command import Command
from pier.client.http import Connection
from pier.client.stream import Hijacked


def dial(call: Call) -> int:
    from pier.cli.relay import Relay

    stream = Hijacked(Connection(call.client.endpoint.connect()))
    Relay(stream, framed=False, stdin=True).run()
    return 0


DIAL = Command(dial, "", maximum=0, details="Clients run this on the daemon's host; people have no use for it.")
