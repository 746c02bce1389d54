"""Signals that reach us are meant for the container.

``_signal`` is used because importing ``signal`` builds enumerations for 4 ms. Handlers run in the
main thread between two instructions, also while it waits in poll(2) or recv(2), and use a
connection of their own.
"""

from __future__ import annotations

from pier.errors import PierError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable

    from pier.client.session import Client
else:
    import _signal

NOT_FORWARDED = frozenset(
    (
        _signal.SIGKILL,
        _signal.SIGSTOP,
        _signal.SIGCHLD,
        _signal.SIGPIPE,
        _signal.SIGURG,
        _signal.SIGWINCH,
        _signal.SIGSEGV,
        _signal.SIGBUS,
        _signal.SIGFPE,
        _signal.SIGILL,
    )
)
LAST = 64


class _Later:
    """A connection that is made when the first signal comes."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._own: Client | None = None

    def get(self) -> Client:
        if self._own is None:
            from pier.client.session import Client

            self._own = Client(self._client.endpoint, self._client.version)
        return self._own


def forward(client: Client, container: str) -> None:
    """Send every signal that we get to the container, as long as this process lives."""
    from pier.client.containers import kill

    later = _Later(client)

    def handler(number: int, _frame: object) -> None:
        try:
            kill(later.get(), container, str(int(number)))
        except PierError:  # it has not started yet, or has ended already
            return

    for number in range(1, LAST + 1):
        if number not in NOT_FORWARDED:
            try:
                _signal.signal(number, handler)
            except (OSError, ValueError):  # the C library keeps a few real-time signals to itself
                continue


def on_resize(client: Client, resize: Callable[[Client, int, int], None]) -> Callable[[], None]:
    """Call ``resize(client, height, width)`` when our terminal changes. Returns a function that does it at once."""
    from pier.cli.terminal import size

    later = _Later(client)

    def now() -> None:
        found = size()
        if found is None or found == (0, 0):
            return
        try:
            resize(later.get(), *found)
        except PierError:  # the process has ended already
            return

    _signal.signal(_signal.SIGWINCH, lambda _number, _frame: now())
    return now
