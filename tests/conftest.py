"""For all rooms: no test may hang."""

import signal
from collections.abc import Iterator
from types import FrameType

import pytest

LONGEST = 400


def pytest_configure() -> None:
    """A shell that runs us in the background has Ctrl-C ignored: the clients that we send one would do so as well."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _alarm() -> Iterator[None]:
    """Ends a test that takes longer than anything here may, with the traceback of where it hung."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"the test took more than {LONGEST} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LONGEST)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
