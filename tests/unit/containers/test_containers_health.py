"""Health: what a check means, what results make of it, when the next probe is due, and the words for it."""

import pytest

from pier.containers.config import ContainerConfig, HealthConfig
from pier.containers.container import State
from pier.containers.healthstate import (
    SECOND,
    Check,
    Condition,
    Health,
    Result,
    at_end,
    at_start,
    check_of,
    duration,
    interval,
    judge,
    remaining,
    timed_out,
)
from pier.containers.texts import status_text

CHECK = Check(("true",), interval=30 * SECOND, retries=3, start_period=60 * SECOND, start_interval=5 * SECOND)


def result(code: int, at: int = 0) -> Result:
    return Result(at * SECOND, at * SECOND + 1, code, "")


@pytest.mark.parametrize(
    ("config", "command"),
    [
        (ContainerConfig(), None),
        (ContainerConfig(healthcheck=HealthConfig()), None),
        (ContainerConfig(healthcheck=HealthConfig(test=())), None),
        (ContainerConfig(healthcheck=HealthConfig(test=("NONE",))), None),
        (ContainerConfig(healthcheck=HealthConfig(test=("WHAT", "x"))), None),
        (ContainerConfig(healthcheck=HealthConfig(test=("CMD", "a", "b c"))), ("a", "b c")),
        (ContainerConfig(healthcheck=HealthConfig(test=("CMD-SHELL", "a b"))), ("/bin/sh", "-c", "a b")),
        (
            ContainerConfig(healthcheck=HealthConfig(test=("CMD-SHELL", "a b")), shell=("/bin/ash", "-ec")),
            ("/bin/ash", "-ec", "a b"),
        ),
    ],
)
def test_what_is_run(config: ContainerConfig, command: tuple[str, ...] | None) -> None:
    check = check_of(config)
    assert (check.command if check else None) == command
    assert (at_start(config, None) is None) == (command is None)


def test_what_is_not_given_has_dockers_defaults() -> None:
    assert check_of(ContainerConfig(healthcheck=HealthConfig(test=("CMD", "x")))) == Check(
        ("x",), 30 * SECOND, 30 * SECOND, 0, 5 * SECOND, 3
    )
    given = HealthConfig(test=("CMD", "x"), interval=1, timeout=2, start_period=3, start_interval=4, retries=5)
    assert check_of(ContainerConfig(healthcheck=given)) == Check(("x",), 1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("codes", "status", "streak"),
    [
        ([], "starting", 0),
        ([0], "healthy", 0),
        ([1], "starting", 1),
        ([1, 2], "starting", 2),
        ([1, 2, -1], "unhealthy", 3),
        ([1, 2, -1, 7], "unhealthy", 4),
        ([1, 1, 0], "healthy", 0),
        ([0, 1, 1], "healthy", 2),
        ([0, 1, 1, 0, 1, 1], "healthy", 2),
        ([0, 1, 1, 1], "unhealthy", 3),
        ([1, 1, 1, 0], "healthy", 0),
    ],
)
def test_results_after_the_start_period(codes: list[int], status: str, streak: int) -> None:
    health = Health()
    for number, code in enumerate(codes):
        health = judge(health, CHECK, result(code, 60 + number), 0)
    assert (health.status, health.failing_streak) == (status, streak)


def test_in_the_start_period_failures_of_a_starting_container_do_not_count() -> None:
    health = judge(Health(), CHECK, result(1, 59), 0)
    assert (health.status, health.failing_streak, len(health.log)) == ("starting", 0, 1)
    health = judge(health, CHECK, result(0, 59), 0)
    health = judge(health, CHECK, result(1, 59), 0)
    assert (health.status, health.failing_streak) == ("healthy", 1)


def test_the_log_keeps_the_last_five() -> None:
    health = Health()
    for number in range(8):
        health = judge(health, CHECK, result(number), 0)
    assert [each.exit_code for each in health.log] == [3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("status", "since_start", "seconds"),
    [("starting", 0, 5), ("starting", 59, 5), ("starting", 60, 30), ("healthy", 1, 30), ("unhealthy", 1, 30)],
)
def test_intervals(status: Condition, since_start: int, seconds: int) -> None:
    assert interval(Health(status), CHECK, 100 * SECOND, (100 + since_start) * SECOND) == seconds * SECOND


@pytest.mark.parametrize(
    ("health", "now", "seconds"),
    [
        (Health(), 3, 2),  # probed never: the start interval counts from the start
        (Health(), 50, 0),
        (Health("healthy", 0, (Result(0, 90 * SECOND, 0, ""),)), 100, 20),
        (Health("healthy", 0, (Result(0, 90 * SECOND, 0, ""),)), 500, 0),
        (Health("healthy", 0, (Result(0, 90 * SECOND, 0, ""),)), 0, 30),  # the clock was set back
    ],
)
def test_an_adopted_container_is_probed_when_it_would_have_been(health: Health, now: int, seconds: int) -> None:
    assert remaining(health, CHECK, 0, now * SECOND) == seconds * SECOND


def test_ends_and_new_starts() -> None:
    config = ContainerConfig(healthcheck=HealthConfig(test=("CMD", "x")))
    before = judge(Health(), CHECK, result(0), 0)
    ended = at_end(before)
    assert ended == Health("unhealthy", 0, before.log)
    assert at_start(config, ended) == Health("starting", 0, before.log)
    assert at_start(ContainerConfig(), ended) is None and at_end(None) is None


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (SECOND, "1s"),
        (SECOND // 2, "500ms"),
        (SECOND // 400, "2.5ms"),
        (SECOND * 3 // 2, "1.5s"),
        (90 * SECOND, "1m30s"),
        (60 * SECOND, "1m0s"),
        (3600 * SECOND, "1h0m0s"),
        (3661 * SECOND + SECOND // 4, "1h1m1.25s"),
        (10 * SECOND, "10s"),
    ],
)
def test_durations_are_written_as_go_does(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text


def test_what_is_said_of_a_probe_that_takes_too_long() -> None:
    check = Check(("x",), timeout=SECOND)
    assert timed_out(check, "") == "Health check exceeded timeout (1s)"
    assert timed_out(check, "out\n") == "Health check exceeded timeout (1s): out\n"


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (State(status="running", started_at=1, health=Health()), "Up 2 seconds (health: starting)"),
        (State(status="running", started_at=1, health=Health("healthy")), "Up 2 seconds (healthy)"),
        (State(status="running", started_at=1, health=Health("unhealthy")), "Up 2 seconds (unhealthy)"),
        (State(status="paused", started_at=1, health=Health("healthy")), "Up 2 seconds (Paused)"),
        (State(status="exited", started_at=1, finished_at=1, health=Health("unhealthy")), "Exited (0) 2 seconds ago"),
    ],
)
def test_the_status_of_ps(state: State, text: str) -> None:
    assert status_text(state, 1 + 2 * SECOND) == text
