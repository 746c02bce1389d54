"""Create, run, stop, kill, pause, rename, remove: states, events, exit codes, and nothing left."""

import asyncio
from pathlib import Path

import pytest

from pier.containers import create, exec, kill, pause, prune, remove, rename, start, stop, wait
from pier.containers.config import decode_create
from pier.containers.watch import begin
from pier.errors import Conflict, InvalidArgument, NotFound, NotModified
from pier.events.bus import Event
from pier.events.filters import parse_filters
from pier.linux.mount import mounted
from tests.system.containers.conftest import Box


def names(events: list[Event]) -> list[str]:
    return [f"{event.type} {event.action}" for event in events]


async def drain(box: Box) -> None:
    await box.deps.background.drain()


async def test_output_and_exit_code_of_a_foreground_run(box: Box) -> None:
    ran = await box.run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert (ran.stdout, ran.stderr, ran.result.code) == ("out\n", "err\n", 3)
    assert box.status(ran.id) == "exited"


async def test_rm_leaves_nothing(box: Box) -> None:
    deps = box.deps
    ran = await box.run("sh", "-c", "echo x > /new", host={"AutoRemove": True}, Volumes={"/data": {}})
    assert ran.result.code == 0 and len(deps.registry) == 0
    await drain(box)
    assert not deps.snapshots.rw_snapshots() and not deps.volumes.list() and not deps.journal.pending()
    assert not deps.folder(ran.id).exists() and not deps.run_folder(ran.id).exists()
    assert deps.runtime.known() == []


async def test_the_first_creation_fails_with_its_own_error(box: Box) -> None:
    with pytest.raises(InvalidArgument, match="volume name is too short"):
        await box.create("true", host={"Binds": ["v:/v"]})
    assert not box.deps.snapshots.rw_snapshots() and not box.deps.journal.pending()


async def test_events_of_a_run_come_in_docker_s_order(box: Box) -> None:
    subscription = box.deps.events.subscribe()
    ran = await box.run("true", host={"AutoRemove": True, "Binds": ["vol1:/v"]}, Labels={"a": "b"})
    subscription.close()
    events = [event async for event in subscription]
    expected = ["volume create", "container create", "container attach"]
    assert names(events)[:3] == expected
    assert sorted(names(events)[3:5]) == ["network connect", "volume mount"]
    assert names(events)[5:] == [
        "container start", "network disconnect", "volume unmount", "container die", "container destroy",
    ]  # fmt: skip
    name = events[1].attributes["name"]
    assert events[1].attributes == {"a": "b", "image": "box", "name": name}
    assert events[-2].attributes == {"a": "b", "image": "box", "name": name, "exitCode": "0", "execDuration": "0"}
    assert {event.actor_id for event in events if event.type == "container"} == {ran.id}


@pytest.mark.parametrize(
    ("cmd", "code", "text"),
    [
        (["nope"], 127, 'exec: "nope": executable file not found in $PATH'),
        (["/etc/passwd"], 126, "permission denied"),
        (["/etc"], 126, "is a directory"),
    ],
)
async def test_a_command_that_cannot_run(box: Box, cmd: list[str], code: int, text: str) -> None:
    container_id = await box.create(*cmd)
    with pytest.raises(
        InvalidArgument, match="failed to create task for container: OCI runtime create failed"
    ) as caught:
        await start.start(box.deps, container_id)
    state = box.deps.registry.find(container_id).record.state
    assert text in str(caught.value)
    assert (state.status, state.exit_code, state.error) == ("created", code, str(caught.value))
    await drain(box)
    assert not mounted(box.deps.snapshots.merged(container_id)) and box.deps.runtime.known() == []


async def test_a_failed_start_with_rm_removes_it_and_ends_its_clients(box: Box) -> None:
    with pytest.raises(InvalidArgument):
        await box.run("nope", host={"AutoRemove": True})
    assert len(box.deps.registry) == 0


async def test_unknown_user_and_image(box: Box) -> None:
    container_id = await box.create("true", User="nobody-here")
    with pytest.raises(InvalidArgument, match="unable to find user nobody-here: no matching entries in passwd file"):
        await start.start(box.deps, container_id)
    with pytest.raises(NotFound, match=r"^No such image: nope:latest$"):
        await create.create(box.deps, "x1", decode_create(b'{"Image":"nope"}'))
    assert box.deps.registry.owner("x1") is None


async def test_names(box: Box) -> None:
    first = await box.create("true", name="one")
    with pytest.raises(Conflict) as caught:
        await box.create("true", name="/one")
    assert str(caught.value) == (
        f'Conflict. The container name "/one" is already in use by container "{first}". '
        "You have to remove (or rename) that container to be able to reuse that name."
    )
    second = await box.create("true", name="two")
    with pytest.raises(Conflict, match=r'Error when allocating new name: Conflict\. The container name "/one"'):
        await rename.rename(box.deps, "two", "one")
    await rename.rename(box.deps, "one", "three")
    await rename.rename(box.deps, second[:12], "one")
    assert box.deps.registry.find("/three").record.id == first
    assert box.deps.registry.find("one").record.id == second
    with pytest.raises(NotFound, match=r"^No such container: two$"):
        box.deps.registry.find("two")


async def test_stop_uses_the_signal_then_insists(box: Box) -> None:
    trap = 'trap "exit 7" TERM; trap "exit 8" USR1; echo ready; while :; do sleep 0.05; done'
    for signal, code in (("", 7), ("SIGUSR1", 8)):
        container_id = await box.start("sh", "-c", trap)
        await box.until_said(container_id, "ready")
        await stop.stop(box.deps, container_id, timeout=60, signal=signal)
        assert box.deps.registry.find(container_id).record.state.exit_code == code
    stubborn = await box.start("sleep", "1000")
    await stop.stop(box.deps, stubborn, timeout=0)
    assert box.deps.registry.find(stubborn).record.state.exit_code == 137
    with pytest.raises(NotModified):
        await stop.stop(box.deps, stubborn)


async def test_kill_says_what_docker_says(box: Box) -> None:
    container_id = await box.start("sleep", "1000", name="victim")
    with pytest.raises(InvalidArgument, match=r"^cannot kill container: victim: invalid signal: FOO$"):
        await kill.kill(box.deps, "victim", "FOO")
    await kill.kill(box.deps, "victim")
    assert box.status("victim") == "exited"
    with pytest.raises(Conflict) as caught:
        await kill.kill(box.deps, "victim")
    assert str(caught.value) == f"cannot kill container: victim: container {container_id} is not running"


async def test_what_comes_while_it_starts_waits_for_that(box: Box) -> None:
    """Its process may have spoken already, and somebody have answered: a signal would be lost."""
    container_id = await box.create("sleep", "1000")
    live = box.deps.registry.find(container_id)
    async with live.lock:
        executed = asyncio.create_task(exec.create(box.deps, container_id, exec.ExecRequest(cmd=("true",))))
        killed = asyncio.create_task(kill.kill(box.deps, container_id))
        await asyncio.wait([executed, killed], timeout=0.1)
        await begin(box.deps, live)
    assert await executed
    await killed
    assert live.record.state.exit_code == 137


async def test_a_paused_container_can_be_stopped_and_removed(box: Box) -> None:
    container_id = await box.start("sleep", "1000")
    await pause.pause(box.deps, container_id)
    with pytest.raises(Conflict, match="cannot start a paused container"):
        await start.start(box.deps, container_id)
    await pause.unpause(box.deps, container_id)
    await pause.pause(box.deps, container_id)
    await stop.stop(box.deps, container_id, timeout=0)
    assert box.status(container_id) == "exited"
    await start.start(box.deps, container_id)
    await pause.pause(box.deps, container_id)
    await remove.remove(box.deps, container_id, force=True)
    assert len(box.deps.registry) == 0


async def test_restart_keeps_a_container_with_rm(box: Box) -> None:
    container_id = await box.start("sleep", "1000", host={"AutoRemove": True})
    await stop.restart(box.deps, container_id, timeout=0)
    assert box.status(container_id) == "running"
    gone = wait.waiter(box.deps, container_id, "removed")
    await stop.stop(box.deps, container_id, timeout=0)
    assert (await gone).code == 137


async def test_what_was_written_is_there_after_a_restart(box: Box) -> None:
    ran = await box.run("sh", "-c", "cat /kept; echo kept > /kept")
    assert (ran.stdout, ran.result.code) == ("", 0)
    ended = wait.waiter(box.deps, ran.id, "next-exit")
    await start.start(box.deps, ran.id)
    assert (await ended).code == 0
    await box.until_said(ran.id, "kept")


async def test_the_restart_policy_gives_up_after_its_count(box: Box) -> None:
    host = {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}}
    container_id = await box.create("sh", "-c", "exit 3", host=host)
    over = wait.waiter(box.deps, container_id, "next-exit")
    await start.start(box.deps, container_id)
    await over
    assert (await wait.waiter(box.deps, container_id, "not-running")).code == 3
    record = box.deps.registry.find(container_id).record
    assert (record.restart_count, record.state.status) == (2, "exited")


async def test_stop_and_remove_reach_a_container_that_waits_to_be_restarted(box: Box) -> None:
    for verb in ("stop", "remove"):
        container_id = await box.create("sh", "-c", "exit 3", host={"RestartPolicy": {"Name": "always"}})
        await start.start(box.deps, container_id)
        live = box.deps.registry.find(container_id)
        while live.record.state.status != "restarting" or live.restart_delay < 0.4:
            await wait.waiter(box.deps, container_id, "next-exit")
        if verb == "stop":
            await stop.stop(box.deps, container_id)
            assert box.status(container_id) == "exited"
        await remove.remove(box.deps, container_id, force=True)
        assert box.deps.registry.get(container_id) is None


async def test_only_force_removes_what_runs_and_only_once(box: Box) -> None:
    container_id = await box.start("sleep", "1000", name="runs")
    with pytest.raises(Conflict, match='cannot remove container "/runs": container is running: stop the container'):
        await remove.remove(box.deps, "runs")
    with pytest.raises(Conflict, match="cannot remove the default link name"):
        await remove.remove(box.deps, "runs", link=True)
    results = await asyncio.gather(
        *(remove.remove(box.deps, container_id, force=True) for _ in range(4)), return_exceptions=True
    )
    refused = [str(each) for each in results if each is not None]
    assert refused == [f"removal of container {container_id} is already in progress"] * 3
    with pytest.raises(NotFound):
        await remove.remove(box.deps, container_id, force=True)


async def test_many_starts_and_stops_at_once_end_well(box: Box) -> None:
    container_id = await box.create("sleep", "1000")

    async def shake(number: int) -> None:
        try:
            if number % 2:
                await start.start(box.deps, container_id)
            else:
                await stop.stop(box.deps, container_id, timeout=0)
        except NotModified:
            pass

    await asyncio.gather(*(shake(number) for number in range(12)))
    await drain(box)
    record = box.deps.registry.find(container_id).record
    assert record.state.alive == (record.supervised is not None)
    await remove.remove(box.deps, container_id, force=True)


async def test_prune_takes_what_has_ended(box: Box) -> None:
    ended = await box.run("sh", "-c", "head -c 5000 /dev/zero > /file")
    labelled = await box.create("true", Labels={"keep": "1"})
    running = await box.start("sleep", "1000")
    pruned = await prune.prune(box.deps, parse_filters('{"label!":["keep"]}'))
    assert pruned.ids == (ended.id,) and pruned.reclaimed >= 5000
    assert {live.record.id for live in box.deps.registry} == {labelled, running}
    with pytest.raises(InvalidArgument, match="invalid filter 'foo'"):
        await prune.prune(box.deps, parse_filters('{"foo":["x"]}'))


async def test_a_failing_creation_leaves_nothing(box: Box, tmp_path: Path) -> None:
    (box.deps.root / "containers").mkdir(exist_ok=True)
    with pytest.raises(NotFound):
        await box.create("true", name="broken", host={"Binds": ["/data"], "VolumeDriver": "nope"})
    assert box.deps.registry.owner("broken") is None
    assert not box.deps.volumes.list() and not box.deps.journal.pending() and not box.deps.snapshots.rw_snapshots()
