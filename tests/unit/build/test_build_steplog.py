"""How much of what a step writes is told."""

from pier.build.progress import Event, LogPiece
from pier.build.steps.log import StepLog

MIB = 1 << 20
WORDS = b"[output clipped, log limit 2MiB reached]"


def told(events: list[Event]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, LogPiece))


def test_all_of_little() -> None:
    events: list[Event] = []
    log = StepLog(events.append, "v")
    log(1, b"one\n")
    log(2, b"two\n")
    log.failed()
    assert [(event.stream, event.data) for event in events if isinstance(event, LogPiece)] == [
        (1, b"one\n"),
        (2, b"two\n"),
    ]


def test_what_is_over_two_mebibytes_is_clipped_once() -> None:
    events: list[Event] = []
    log = StepLog(events.append, "v")
    for _ in range(100):
        log(1, b"x" * 100_000)
    text = told(events)
    assert text.startswith(b"x" * (2 * MIB) + b"\n" + WORDS)
    assert text.count(WORDS) == 1
    assert len(text) < 2 * MIB + 100


def test_a_failed_step_shows_whole_lines_of_its_end() -> None:
    events: list[Event] = []
    log = StepLog(events.append, "v")
    for number in range(1_000_000):
        log(1, b"line %d\n" % number)
    log(2, b"the reason\n")
    clipped = len(events)
    log.failed()
    after = told(events[clipped:])
    assert after.endswith(b"line 999999\nthe reason\n")
    assert after.startswith(b"line ")
    assert len(after) < 70_000
