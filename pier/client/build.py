"""A build on the engine: what it asks of us while it runs is answered here, in one poll(2) loop.

Nothing is imported that a build on this host does not need: folders are handed over as descriptors.
"""

from __future__ import annotations

import os
from select import POLLIN, poll

from pier.client.buildlink import (
    ANSWER,
    ASK,
    CREDIT,
    DATA,
    END,
    EVENTS,
    FAILED,
    HELLO,
    PIECE,
    RESULT,
    WINDOW,
    Link,
    from_json,
    to_json,
)
from pier.errors import PierError, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from pier.client.session import Client

    Json = dict[str, Any]

    class Sink(Protocol):
        """Where a result goes; a refusal is a PierError or OSError."""

        def write(self, data: bytes) -> None: ...
        def finish(self) -> None: ...
        def abort(self) -> None: ...

    class View(Protocol):
        def show(self, events: list[Json]) -> None: ...
        def tick(self) -> float | None: ...


class BuildFailed(Exception):
    """The engine's account: ``message``, ``kind``, ``shown``, ``step``, ``output``, see ``api/buildstream``."""

    def __init__(self, told: Json) -> None:
        super().__init__(str(told.get("message") or "the build failed"))
        self.told = told


class Offers:
    """What this client can give, by name. ``uploads``: a descriptor, and what was read of it; ``secrets``: bytes.

    ``ending``: what the owner calls when it needs them no more.
    """

    def __init__(self) -> None:
        self.folders: dict[str, str] = {}
        self.uploads: dict[str, tuple[int, bytes]] = {}
        self.secrets: dict[str, Callable[[], bytes]] = {}
        self.ssh: dict[str, Callable[[], Any]] = {}
        self.ending: list[Callable[[], None]] = []
        self.credentials: Callable[[str], Json] = lambda domain: {}
        self.shell: Callable[[Json], Any] | None = None
        self.sinks: Callable[[int], Sink] | None = None


def build(client: Client, request: Json, offers: Offers, view: View) -> Json:
    """Build; returns ``{"images": [...], "metadata": {...}}``.

    The first KeyboardInterrupt cancels the build, whose end is still told. Raises BuildFailed, Unavailable.
    """
    names = list(offers.folders)
    folders = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in offers.folders.values()]
    try:
        keys = [_key(each) for each in folders]
        link = Link(client.hijack("/build/stream", protocol="pier-build"))
        handed = link.begin(folders)
    finally:
        for each in folders:
            os.close(each)
    hello = {
        "request": request,
        "folders": [
            {"name": name, "key": key, "descriptor": index if handed else -1}
            for index, (name, key) in enumerate(zip(names, keys, strict=True))
        ],
        "uploads": list(offers.uploads),
        "secrets": list(offers.secrets),
        "ssh": list(offers.ssh),
    }
    link.send(HELLO, 0, to_json(hello))
    conversation = _Conversation(link, offers, view)
    try:
        return conversation.run()
    except (BrokenPipeError, ConnectionResetError) as error:
        raise Unavailable(f"the connection to the engine at {client.endpoint.url} was lost: {error}") from error
    finally:
        conversation.close()


def _key(folder: int) -> str:
    """What names a folder across builds: the host and the path."""
    try:
        with open("/etc/machine-id", "rb") as file:
            host = file.read().strip().decode(errors="replace")
    except OSError:
        host = os.uname().nodename
    return f"{host}:{os.readlink(f'/proc/self/fd/{folder}')}"


class _Conversation:
    """Channels are numbered by the engine: each has something that takes what comes, or gives piece by piece."""

    def __init__(self, link: Link, offers: Offers, view: View) -> None:
        self._link = link
        self._offers = offers
        self._view = view
        self._poll = poll()
        self._poll.register(link.fileno(), POLLIN)
        self._sinks: dict[int, Sink] = {}
        self._agents: dict[int, Any] = {}
        self._uploads: dict[int, int] = {}
        self._credit: dict[int, int] = {}
        self._senders: dict[int, Any] = {}
        self._terminal: Sink | None = None
        self._result: Json | None = None

    def run(self) -> Json:
        """Until the engine says how it ended."""
        stopped = False
        while self._result is None:
            try:
                self._turn()
            except KeyboardInterrupt:
                if stopped:
                    raise
                stopped = True
                self._link.stop()
        return self._result

    def _turn(self) -> None:
        wait = self._view.tick() if self._terminal is None else None
        if any(self._ready(channel) for channel in self._senders):
            wait = 0
        if self._link.buffered():
            self._receive()
            return
        for descriptor, _ in self._poll.poll(None if wait is None else wait * 1000):
            if descriptor == self._link.fileno():
                self._receive()
            else:
                self._pass_on(descriptor)
        for channel in [each for each in self._senders if self._ready(each)]:
            self._send_some(channel)

    def _ready(self, channel: int) -> bool:
        return self._credit[channel] > 0 and getattr(self._senders[channel], "ready", True)

    def _receive(self) -> None:
        for kind, channel, payload in self._link.receive():
            if kind == EVENTS:
                self._view.show(from_json(payload))
            elif kind == ASK:
                self._asked(channel, from_json(payload))
            elif kind == DATA:
                self._data(channel, payload)
            elif kind == END:
                self._end(channel)
            elif kind == CREDIT:
                self._credited(channel, int.from_bytes(payload, "big"))
            elif kind == RESULT:
                self._result = from_json(payload)
            elif kind == FAILED:
                raise BuildFailed(from_json(payload))

    # What the engine asks for.

    def _asked(self, channel: int, question: Json) -> None:
        answers = {
            "secret": self._secret,
            "credentials": self._credentials,
            "upload": self._upload,
            "ssh": self._ssh,
            "export": self._export,
            "folder": self._folder,
            "shell": self._shell,
            "told": self._shell,
        }
        answer = answers.get(question.get("what", ""))
        if answer is None:
            self._link.refuse(channel, "Unsupported", f"this client cannot give {question.get('what')}")
            return
        try:
            answer(channel, question)
        except PierError as error:
            self._link.refuse(channel, "InvalidArgument", str(error))
        except OSError as error:
            self._link.refuse(channel, "InvalidArgument", _sentence(error))

    def _secret(self, channel: int, question: Json) -> None:
        from binascii import b2a_base64

        data = self._offers.secrets[question["id"]]()
        self._link.answer(channel, {"data": b2a_base64(data, newline=False).decode()})

    def _credentials(self, channel: int, question: Json) -> None:
        self._link.answer(channel, self._offers.credentials(question["domain"]))

    def _upload(self, channel: int, question: Json) -> None:
        descriptor, begun = self._offers.uploads[question["name"]]
        self._uploads[descriptor] = channel
        self._credit[channel] = WINDOW - len(begun)
        self._link.send(DATA, channel, begun)
        if not _pollable(descriptor):
            self._senders[channel] = _pieces(descriptor)
            return
        self._poll.register(descriptor, POLLIN)

    def _ssh(self, channel: int, question: Json) -> None:
        agent = self._offers.ssh[question["id"]]()
        self._agents[channel] = agent
        self._poll.register(agent.fileno(), POLLIN)

    def _export(self, channel: int, question: Json) -> None:
        if self._offers.sinks is None:
            raise Unavailable("this client takes no results")
        self._sinks[channel] = self._offers.sinks(question["output"])

    def _shell(self, channel: int, question: Json) -> None:
        """A step failed: our terminal is the shell's, until that ends."""
        if self._offers.shell is None:
            raise Unavailable("this client has no terminal for a shell")
        terminal = self._offers.shell(question)
        if terminal is None:
            return
        self._terminal = terminal
        self._sinks[channel] = terminal
        self._uploads[0] = channel
        self._credit[channel] = 1 << 62
        height, width = terminal.size
        self._link.send(ANSWER, channel, height.to_bytes(2, "big") + width.to_bytes(2, "big"))
        self._poll.register(0, POLLIN)

    def _folder(self, channel: int, question: Json) -> None:
        from pier.client.buildfolder import Sender

        sender = Sender(self._offers.folders[question["name"]], question["paths"], question["exclude"])
        self._senders[channel] = sender
        self._credit[channel] = WINDOW

    # What comes and goes on the channels.

    def _data(self, channel: int, payload: bytes) -> None:
        if channel in self._sinks:
            self._into_sink(channel, payload)
        elif channel in self._agents:
            self._agents[channel].sendall(payload)
        elif channel in self._senders:
            self._senders[channel].wanted(from_json(payload))

    def _into_sink(self, channel: int, payload: bytes) -> None:
        try:
            self._sinks[channel].write(payload)
        except (OSError, PierError) as error:
            self._sinks.pop(channel).abort()
            message = _sentence(error) if isinstance(error, OSError) else str(error)
            self._link.refuse(channel, "InvalidArgument", message)

    def _end(self, channel: int) -> None:
        sink = self._sinks.pop(channel, None)
        if sink is not None and sink is self._terminal:
            sink.finish()
            self._terminal = None
            if self._credit.pop(channel, 0):  # it is not at its end
                self._poll.unregister(0)
            self._uploads.pop(0, None)
        elif sink is not None:
            try:
                sink.finish()
                self._link.answer(channel, {})
            except (OSError, PierError) as error:
                sink.abort()
                message = _sentence(error) if isinstance(error, OSError) else str(error)
                self._link.refuse(channel, "InvalidArgument", message)
        elif channel in self._agents:
            self._drop_agent(channel)
        elif channel in self._senders:
            self._senders[channel].wanted(None)

    def _credited(self, channel: int, size: int) -> None:
        if channel not in self._credit:
            return
        before = self._credit[channel]
        self._credit[channel] = before + size
        for descriptor, own in self._uploads.items():
            if own == channel and channel not in self._senders and before <= 0:
                self._poll.register(descriptor, POLLIN)

    def _pass_on(self, descriptor: int) -> None:
        """Something came from an agent, or from what is uploaded."""
        channel = self._uploads.get(descriptor)
        if channel is None:
            self._from_agent(descriptor)
            return
        data = os.read(descriptor, PIECE)
        if not data:
            self._poll.unregister(descriptor)
            del self._credit[channel]
            self._link.send(END, channel)
            return
        self._spend(channel, len(data))
        if self._credit[channel] <= 0:
            self._poll.unregister(descriptor)
        self._link.send(DATA, channel, data)

    def _from_agent(self, descriptor: int) -> None:
        for channel, agent in list(self._agents.items()):
            if agent.fileno() == descriptor:
                data = agent.recv(PIECE)
                if data:
                    self._link.send(DATA, channel, data)
                else:
                    self._drop_agent(channel)

    def _drop_agent(self, channel: int) -> None:
        agent = self._agents.pop(channel)
        self._poll.unregister(agent.fileno())
        agent.close()
        self._link.send(END, channel)

    def _send_some(self, channel: int) -> None:
        try:
            found = next(self._senders[channel])
        except StopIteration:
            del self._senders[channel], self._credit[channel]
            self._link.send(END, channel)
            return
        except OSError as error:
            del self._senders[channel], self._credit[channel]
            self._link.refuse(channel, "InvalidArgument", _sentence(error))
            return
        kind, payload = found
        self._spend(channel, len(payload))
        self._link.send(kind, channel, payload)

    def _spend(self, channel: int, size: int) -> None:
        self._credit[channel] -= size

    def close(self) -> None:
        for sink in self._sinks.values():
            sink.abort()
        for agent in self._agents.values():
            agent.close()
        self._link.close()


def _pollable(descriptor: int) -> bool:
    """Whether poll(2) says something of it: not of files, of which there is always more or the end."""
    from stat import S_ISREG

    return not S_ISREG(os.fstat(descriptor).st_mode)


def _pieces(descriptor: int) -> Any:
    while data := os.read(descriptor, PIECE):
        yield DATA, data


def _sentence(error: OSError) -> str:
    reason = error.strerror.lower() if error.strerror else str(error)
    return f"open {error.filename}: {reason}" if error.filename else reason
