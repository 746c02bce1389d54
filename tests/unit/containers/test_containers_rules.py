"""Names, signals, detach keys, restart policies, states and the words for them."""

import pytest

from pier.containers import state
from pier.containers.config import ContainerConfig
from pier.containers.container import Container, State, Status
from pier.containers.hostconfig import HostConfig, RestartPolicy
from pier.containers.keys import DetachFilter, parse_keys
from pier.containers.names import check_name, random_name
from pier.containers.restart import Ending, check_policy, restart_delay, starts_with_daemon
from pier.containers.signals import parse_signal, stop_signal
from pier.containers.texts import human_duration, status_text
from pier.errors import Conflict, InvalidArgument, NotModified
from pier.runtime.runtime import Stdio, Supervised


@pytest.mark.parametrize("name", ["ab", "/ab", "a.b", "a_b-c.9", "0a"])
def test_names(name: str) -> None:
    assert check_name(name) == name.removeprefix("/")


@pytest.mark.parametrize("name", ["", "a", "/", "a/b", "-ab", ".ab", "a b", "ab\n", "ä9"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_name(name)
    assert str(caught.value) == f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"


def test_random_names_avoid_those_in_use() -> None:
    first = random_name(lambda _: False, lambda words: words[0])
    assert check_name(first) == first and first.count("_") == 1
    assert random_name(lambda name: name in (first, f"{first}1"), lambda words: words[0]) == f"{first}2"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("9", 9),
        ("KILL", 9),
        ("sigkill", 9),
        ("SIGHUP", 1),
        ("RTMIN+3", 37),
        ("SIGRTMAX", 64),
        ("RTMAX-1", 63),
        ("64", 64),
    ],
)
def test_signals(text: str, number: int) -> None:
    assert parse_signal(text) == number


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FOO", "invalid signal: FOO"),
        ("0", "invalid signal: 0"),
        ("-1", "invalid signal: -1"),
        ("", "invalid signal: "),
        ("99", "the linux daemon does not support signal 99"),
        ("32", "the linux daemon does not support signal 32"),
    ],
)
def test_what_is_no_signal(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_signal(text)
    assert str(caught.value) == message


def test_the_stop_signal_is_term_unless_said() -> None:
    assert (stop_signal(""), stop_signal("SIGINT"), stop_signal("nonsense")) == (15, 2, 15)


def test_detach_keys_are_read() -> None:
    assert parse_keys("") == b"\x10\x11"
    assert parse_keys("ctrl-a,x") == b"\x01x"
    assert parse_keys("ctrl-[,ctrl-@") == b"\x1b\x00"
    for wrong in ("ctrl-", "ab", "ctrl-a,,", "ä"):
        with pytest.raises(InvalidArgument, match="Invalid detach keys"):
            parse_keys(wrong)


@pytest.mark.parametrize(
    ("keys", "typed", "passed", "detached"),
    [
        (b"\x10\x11", [b"hello"], b"hello", False),
        (b"\x10\x11", [b"a\x10\x11b"], b"a", True),
        (b"\x10\x11", [b"a\x10", b"\x11b"], b"a", True),
        (b"\x10\x11", [b"\x10", b"x"], b"\x10x", False),
        (b"\x10\x11", [b"\x10\x10\x11"], b"\x10", True),
        (b"aab", [b"aa", b"c"], b"aac", False),
        (b"x", [b"yx", b"z"], b"y", True),
    ],
)
def test_the_sequence_is_found_wherever_it_is_cut(
    keys: bytes, typed: list[bytes], passed: bytes, detached: bool
) -> None:
    held = DetachFilter(keys)
    out = b""
    for piece in typed:
        if not held.detached:
            out += held.feed(piece)
    assert (out, held.detached) == (passed, detached)


def ending(code: int = 1, *, user: bool = False, restarts: int = 0, ran: float = 0.0, last: float = 0.0) -> Ending:
    return Ending(code, user, restarts, ran, last)


@pytest.mark.parametrize(
    ("policy", "end", "delay"),
    [
        (RestartPolicy(), ending(), None),
        (RestartPolicy(name="no"), ending(), None),
        (RestartPolicy(name="always"), ending(0), 0.1),
        (RestartPolicy(name="always"), ending(0, user=True), None),
        (RestartPolicy(name="unless-stopped"), ending(0), 0.1),
        (RestartPolicy(name="unless-stopped"), ending(0, user=True), None),
        (RestartPolicy(name="on-failure"), ending(0), None),
        (RestartPolicy(name="on-failure"), ending(3, restarts=500), 0.1),
        (RestartPolicy(name="on-failure", maximum_retry_count=2), ending(3, restarts=1), 0.1),
        (RestartPolicy(name="on-failure", maximum_retry_count=2), ending(3, restarts=2), None),
        (RestartPolicy(name="always"), ending(last=0.1), 0.2),
        (RestartPolicy(name="always"), ending(last=51.2), 60.0),
        (RestartPolicy(name="always"), ending(last=60.0), 60.0),
        (RestartPolicy(name="always"), ending(last=60.0, ran=10.5), 0.1),
    ],
)
def test_restart_policies(policy: RestartPolicy, end: Ending, delay: float | None) -> None:
    assert restart_delay(policy, end) == delay


def test_which_start_with_the_daemon() -> None:
    assert starts_with_daemon(RestartPolicy(name="always"), stopped_by_user=True)
    assert starts_with_daemon(RestartPolicy(name="unless-stopped"), stopped_by_user=False)
    assert not starts_with_daemon(RestartPolicy(name="unless-stopped"), stopped_by_user=True)
    assert not starts_with_daemon(RestartPolicy(name="on-failure"), stopped_by_user=False)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (
            RestartPolicy(name="foo"),
            "unknown policy 'foo'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
        ),
        (RestartPolicy(name="no", maximum_retry_count=3), "maximum retry count can only be used with 'on-failure'"),
        (RestartPolicy(name="on-failure", maximum_retry_count=-3), "maximum retry count cannot be negative"),
    ],
)
def test_what_is_no_policy(policy: RestartPolicy, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_policy(policy)
    assert str(caught.value) == f"invalid restart policy: {message}"


SUP = Supervised("i", "crun", "/x", 1, 1, 2, 2, "/", Stdio())


def record(status: Status) -> Container:
    return Container(
        id="i", name="n", created=0, image_id="", image_name="", parent=None, config=ContainerConfig(),
        host_config=HostConfig(), path="sh", state=State(status=status),
        supervised=SUP if status in ("running", "paused") else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("check", "status", "kind", "message"),
    [
        (state.check_start, "running", NotModified, "container i is already running"),
        (state.check_start, "restarting", NotModified, "container i is already running"),
        (state.check_start, "paused", Conflict, "cannot start a paused container, try unpause instead"),
        (state.check_start, "removing", Conflict, "container is marked for removal and cannot be started"),
        (state.check_pause, "exited", Conflict, "container i is not running"),
        (state.check_pause, "paused", Conflict, "container i is already paused"),
        (state.check_pause, "restarting", Conflict, "Container i is restarting, wait until the container is running"),
        (state.check_unpause, "running", Conflict, "Container i is not paused"),
        (state.check_exec, "created", Conflict, "container i is not running"),
        (state.check_exec, "paused", Conflict, "Container n is paused, unpause the container before exec"),
        (state.check_attach, "paused", Conflict, "container i is paused, unpause the container before attach"),
    ],
)
def test_refusals(check: object, status: Status, kind: type[Exception], message: str) -> None:
    assert callable(check)
    with pytest.raises(kind) as caught:
        check(record(status))
    assert str(caught.value) == message


@pytest.mark.parametrize("status", ["created", "exited"])
def test_what_is_allowed(status: Status) -> None:
    state.check_start(record(status))
    state.check_remove(record(status), force=False)
    state.check_attach(record(status))
    state.check_pause(record("running"))
    state.check_unpause(record("paused"))


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("running", "container is running: stop the container before removing or force remove"),
        ("restarting", "container is restarting: stop the container before removing or force remove"),
        ("paused", "container is paused and must be unpaused first"),
    ],
)
def test_only_force_removes_what_runs(status: Status, message: str) -> None:
    with pytest.raises(Conflict) as caught:
        state.check_remove(record(status), force=False)
    assert str(caught.value) == f'cannot remove container "/n": {message}'
    state.check_remove(record(status), force=True)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.9, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (3599, "59 minutes"),
        (3600, "About an hour"),
        (5399, "About an hour"),
        (5400, "2 hours"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (13 * 86400, "13 days"),
        (14 * 86400, "2 weeks"),
        (60 * 86400, "2 months"),
        (729 * 86400, "24 months"),
        (730 * 86400, "2 years"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (State(), "Created"),
        (State(status="running", started_at=97 * SECOND), "Up 3 seconds"),
        (State(status="paused", started_at=97 * SECOND), "Up 3 seconds (Paused)"),
        (State(status="exited", exit_code=3, started_at=1, finished_at=90 * SECOND), "Exited (3) 10 seconds ago"),
        (State(status="restarting", exit_code=1, started_at=1, finished_at=99 * SECOND), "Restarting (1) 1 second ago"),
        (State(status="removing"), "Removal In Progress"),
    ],
)
def test_status_texts(given: State, text: str) -> None:
    assert status_text(given, 100 * SECOND) == text
