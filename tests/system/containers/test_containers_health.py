"""Health checks of real containers: probed by execs, judged, killed when they take too long, and never left over."""

import asyncio
import re
from typing import Any

import pytest

from pier.containers import exec, inspect, listing, pause, remove, start, stop, top
from pier.events.filters import parse_filters
from tests.system.containers.conftest import Box

MS = 1_000_000


def check(*test: str, **more: int) -> dict[str, Any]:
    """A Healthcheck of the API that is probed every 50 ms; the times in milliseconds."""
    times = {"Interval": 50, "Timeout": 60_000} | more
    retries = times.pop("Retries", 1)
    return {"Test": list(test), "Retries": retries} | {name: value * MS for name, value in times.items()}


async def health(box: Box, reference: str) -> dict[str, Any]:
    found: dict[str, Any] = (await inspect.inspect(box.deps, reference))["State"]["Health"]
    return found


async def becomes(box: Box, reference: str, *statuses: str) -> None:
    """The events say that its health goes through ``statuses``."""
    filters = parse_filters(f'{{"event":["health_status"],"container":["{reference}"]}}')
    async with box.deps.events.subscribe(0, filters=filters) as heard:
        for status in statuses:
            assert (await asyncio.wait_for(anext(heard), 60)).action == f"health_status: {status}"


async def event(box: Box, action: str, count: int = 1, since: int | None = 0) -> None:
    """Wait for the ``count``-th event of that action, from the beginning on; ``since`` None: from now on."""
    async with box.deps.events.subscribe(since, filters=parse_filters(f'{{"event":["{action}"]}}')) as heard:
        for _ in range(count):
            await asyncio.wait_for(anext(heard), 60)


async def up(box: Box, *test: str, cmd: tuple[str, ...] = ("sleep", "1000"), **more: int) -> str:
    return await box.start(*cmd, Healthcheck=check(*test, **more))


async def noted(box: Box, reference: str, output: str) -> None:
    """Wait for a probe that failed without an end of its own; on a busy machine not every one has come to write."""
    while True:
        for entry in (await health(box, reference))["Log"]:
            assert entry["ExitCode"] == -1
            if re.fullmatch(output, entry["Output"]):
                return
        await event(box, "exec_die", since=None)


def leftovers(box: Box) -> list[str]:
    folder = box.deps.run / "execs"
    return [each.name for each in folder.iterdir()] if folder.exists() else []


async def test_success_and_failure(box: Box) -> None:
    waiting = await up(box, "CMD", "true", Interval=60_000)
    assert await health(box, waiting) == {"Status": "starting", "FailingStreak": 0, "Log": []}
    await remove.remove(box.deps, waiting, force=True)
    container = await up(box, "CMD-SHELL", "echo said; echo also >&2; cat /well", Retries=2)
    await becomes(box, container, "unhealthy")
    found = await health(box, container)
    assert found["FailingStreak"] >= 2 and found["Log"][0]["ExitCode"] == 1
    assert "said\n" in found["Log"][0]["Output"] and "also\n" in found["Log"][0]["Output"]
    await box.exec(container, "touch", "/well")
    await becomes(box, container, "unhealthy", "healthy")
    found = await health(box, container)
    assert (found["Status"], found["FailingStreak"], found["Log"][-1]["ExitCode"]) == ("healthy", 0, 0)
    for wanted, count in (("healthy", 1), ("unhealthy", 0), ("none", 0)):
        listed = await listing.containers(box.deps, filters=parse_filters(f'{{"health":["{wanted}"]}}'))
        assert len(listed) == count
    [shown] = await listing.containers(box.deps)
    assert shown["Status"].endswith(" (healthy)")


async def test_the_log_and_the_output_are_bounded(box: Box) -> None:
    container = await up(box, "CMD-SHELL", "head -c 300000 /dev/zero | tr '\\0' x")
    await event(box, "exec_die", 7)
    found = await health(box, container)
    assert len(found["Log"]) == 5
    assert found["Log"][-1]["Output"] == "x" * 4096 + "..."
    assert box.deps.registry.find(container).execs == {}


async def test_a_probe_that_takes_too_long_is_killed_with_its_children(box: Box) -> None:
    container = await up(box, "CMD-SHELL", "echo began; sleep 777 & sleep 778", Timeout=1000)
    await becomes(box, container, "unhealthy")
    await noted(box, container, re.escape("Health check exceeded timeout (1s): began\n"))
    await pause.pause(box.deps, container)  # no probe is under way then
    assert [each[-1] for each in (await top.top(box.deps, container))["Processes"]] == ["sleep 1000"]
    await pause.unpause(box.deps, container)


async def test_a_probe_that_leaves_something_behind_is_over_with_itself(box: Box) -> None:
    container = await up(box, "CMD-SHELL", "sleep 779 & exit 0", Timeout=60_000, Interval=60_000, StartPeriod=60_000,
                         StartInterval=10)  # fmt: skip
    await becomes(box, container, "healthy")
    await stop.stop(box.deps, container, 0)
    await box.deps.background.drain()
    [entry, *_] = (await health(box, container))["Log"]
    assert entry["ExitCode"] == 0 and leftovers(box) == []


async def test_a_probe_that_never_stops_writing_is_killed(box: Box) -> None:
    container = await up(box, "CMD", "yes", Timeout=500)
    await becomes(box, container, "unhealthy")
    await noted(box, container, r"Health check exceeded timeout \(500ms\): y\ny\n[y\n]*\.\.\.")


async def test_a_program_that_is_not_there(box: Box) -> None:
    container = await up(box, "CMD", "/nope")
    await becomes(box, container, "unhealthy")
    entry = (await health(box, container))["Log"][0]
    assert entry["ExitCode"] == -1 and "no such file or directory" in entry["Output"]
    assert leftovers(box) == []


async def test_the_start_period(box: Box) -> None:
    container = await up(
        box, "CMD-SHELL", "cat /well", Interval=60_000, StartPeriod=60_000, StartInterval=50, Retries=1
    )
    await event(box, "exec_die", 3)
    assert (await health(box, container))["FailingStreak"] == 0
    await box.exec(container, "touch", "/well")
    await becomes(box, container, "healthy")


async def test_none_is_no_check(box: Box) -> None:
    container = await box.start("sleep", "1000", Healthcheck={"Test": ["NONE"]})
    assert "Health" not in (await inspect.inspect(box.deps, container))["State"]
    assert box.deps.registry.find(container).monitor is None


async def test_it_ends_with_the_container_and_begins_anew(box: Box) -> None:
    container = await up(box, "CMD-SHELL", "sleep 1000", Timeout=600_000)
    await event(box, "exec_start: /bin/sh -c sleep 1000")
    await stop.stop(box.deps, container, 0)
    monitor = box.deps.registry.find(container).monitor
    assert monitor is not None
    await asyncio.wait({monitor})
    await box.deps.background.drain()
    assert leftovers(box) == []
    found = await health(box, container)
    assert found == {"Status": "unhealthy", "FailingStreak": 0, "Log": []}
    await start.start(box.deps, container)
    assert (await health(box, container))["Status"] == "starting"


async def test_a_paused_container_is_not_probed(box: Box) -> None:
    container = await up(box, "CMD", "sleep", "1000", Timeout=600_000)
    await event(box, "exec_start")
    await pause.pause(box.deps, container)
    assert box.deps.registry.find(container).monitor is None
    assert (await health(box, container))["Log"] == []
    await pause.unpause(box.deps, container)
    await event(box, "exec_start", 2)


async def test_it_survives_the_daemon(box: Box) -> None:
    container = await up(box, "CMD-SHELL", "test -e /well")
    await becomes(box, container, "unhealthy")
    await box.exec(container, "touch", "/well")
    await becomes(box, container, "unhealthy", "healthy")
    await box.reborn()
    assert (await health(box, container))["Status"] == "healthy"
    await box.exec(container, "rm", "/well")
    await becomes(box, container, "unhealthy")


async def test_probes_are_nobodys_execs(box: Box) -> None:
    container = await up(box, "CMD", "sleep", "1000", Timeout=600_000)
    await event(box, "exec_start")
    while not (found := leftovers(box)):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    shown = await inspect.inspect(box.deps, container)
    assert shown["ExecIDs"] is None
    with pytest.raises(Exception, match="No such exec instance"):
        exec.inspect(box.deps, found[0])
