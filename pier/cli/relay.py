"""Our standard streams joined with a container's, until its output ends.

One poll(2) loop, no threads: input that the daemon does not take yet is held back (and no more is
read), so that neither side can block the other for good; output is written before more is read.
"""

from __future__ import annotations

import os
from select import POLLIN, POLLOUT, poll

from pier.client.stream import STDERR, Demultiplexer, Hijacked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pier.cli.terminal import KeyWatch

PIECE = 65536


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write everything, also to a descriptor that somebody made non-blocking."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            ready = poll()
            ready.register(descriptor, POLLOUT)
            ready.poll()


class Relay:
    """``framed``: output and errors come multiplexed. ``stdin``: whether our input goes to the container.

    ``descriptors`` are our input, output and errors.
    """

    def __init__(
        self,
        stream: Hijacked,
        *,
        framed: bool,
        stdin: bool,
        output: bool = True,
        keys: KeyWatch | None = None,
        descriptors: tuple[int, int, int] = (0, 1, 2),
    ) -> None:
        self._stream = stream
        self._in, self._out, self._err = descriptors
        self._frames = Demultiplexer() if framed else None
        self._stdin = stdin
        self._output = output
        self._keys = keys
        self._pending = memoryview(b"")
        self._input_ended = not stdin
        self._poll = poll()

    def run(self) -> bool:
        """Until the container's output ends, or without output until our input does. True: the user detached."""
        stream, watch = self._stream, self._poll
        stream.transport.setblocking(False)
        descriptor = stream.fileno()
        watch.register(descriptor, POLLIN)
        if self._stdin:
            watch.register(self._in, POLLIN)
        while self._output or not self._input_ended:
            for ready, event in [(descriptor, POLLIN)] if stream.buffered() else watch.poll():
                if ready != descriptor:
                    if self._read_input():
                        return True
                    continue
                if event & POLLOUT:
                    self._send()
                if event & ~POLLOUT and not self._read_output():
                    return False
        return False

    def _read_output(self) -> bool:
        try:
            data = self._stream.receive()
        except BlockingIOError:
            return True
        if not data:
            return False
        if self._frames is None:
            write_all(self._out, data)
        else:
            for source, payload in self._frames.feed(data):
                write_all(self._err if source == STDERR else self._out, payload)
        return True

    def _read_input(self) -> bool:
        try:
            data = os.read(self._in, PIECE)
        except BlockingIOError:
            return False
        except OSError:  # input was closed, or the terminal went away: the same as its end
            data = b""
        detached = False
        if self._keys is not None and data:
            passed, detached = self._keys.feed(data)
            if not passed:
                return detached
            data = passed
        if data:
            self._pending = memoryview(data)
        else:
            self._input_ended = True
        self._send()
        return detached

    def _send(self) -> None:
        """Send what is held back; then listen to our input again, or end it."""
        try:
            while self._pending:
                self._pending = self._pending[self._stream.send(self._pending) :]
        except BlockingIOError:
            self._poll.modify(self._stream.fileno(), POLLIN | POLLOUT)
            self._mute_input()
            return
        except OSError:  # nobody takes input any more; output may still come
            self._pending = memoryview(b"")
            self._input_ended = True
        self._poll.modify(self._stream.fileno(), POLLIN)
        if self._input_ended:
            self._mute_input()
            self._stream.close_write()
        else:
            self._poll.register(self._in, POLLIN)

    def _mute_input(self) -> None:
        if self._stdin:
            try:
                self._poll.unregister(self._in)
            except KeyError:
                return
