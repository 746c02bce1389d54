"""The daemon is killed with -9 under its containers and comes back."""

import asyncio

from pier.containers import attach, exec, kill, remove, start, stop, wait
from pier.containers.attach import AttachOptions
from pier.containers.deps import Deps
from pier.containers.exec import ExecRequest
from pier.events.filters import parse_filters
from pier.linux.mount import mounted
from tests.system.containers.conftest import Box


async def started(deps: Deps, container_id: str) -> None:
    """Wait for the start that the policy makes; the events since the rebirth tell."""
    heard = deps.events.subscribe(0, filters=parse_filters(f'{{"event":["start"],"container":["{container_id}"]}}'))
    await asyncio.wait_for(anext(heard), 60)


async def test_what_runs_goes_on_and_obeys_the_new_daemon(box: Box) -> None:
    script = 'trap "exit 9" TERM; echo up; while :; do sleep 0.05; done'
    ids = [await box.start("sh", "-c", script, host={"NetworkMode": net}) for net in ("bridge", "none", "host")]
    for each in ids:
        await box.until_said(each, "up")
    pids = [box.deps.registry.find(each).record.state.pid for each in ids]
    deps = await box.reborn()
    assert [deps.registry.find(each).record.state.pid for each in ids] == pids
    request = ExecRequest(cmd=("echo", "again"), attach_stdout=True)
    attached = await exec.start(deps, await exec.create(deps, ids[0], request))
    assert attached is not None and [data async for _, data in attached] == [b"again\n"]
    await attached.close()
    for each in ids:
        await stop.stop(deps, each)
        assert deps.registry.find(each).record.state.exit_code == 9


async def test_exits_while_nobody_watched_are_learned(box: Box) -> None:
    ended = await box.start("sh", "-c", "read line; exit 5", OpenStdin=True)
    removed = await box.start("sh", "-c", "read line; exit 6", OpenStdin=True, host={"AutoRemove": True})
    again = await box.start("sh", "-c", "read line; exit 7", OpenStdin=True, host={"RestartPolicy": {"Name": "always"}})
    old = box.deps
    streams = [
        await attach.attach(old, each, AttachOptions(stdin=True, stream=True)) for each in (ended, removed, again)
    ]
    for live in old.registry:
        assert live.supervisor is not None
        live.supervisor.cancel()
    for stream in streams:
        await stream.write(b"go\n")
        assert [piece async for piece in stream] == []
        await stream.close()
    deps = await box.reborn()
    assert (await asyncio.wait_for(wait.waiter(deps, ended), 60)).code == 5
    if deps.registry.get(removed) is not None:
        await asyncio.wait_for(wait.waiter(deps, removed, "removed"), 60)
    await started(deps, again)
    assert deps.registry.find(again).record.restart_count == 1
    await remove.remove(deps, again, force=True)
    await deps.background.drain()
    assert set(deps.snapshots.rw_snapshots()) == {ended} and deps.runtime.known() == []
    assert not mounted(deps.snapshots.merged(ended))


async def test_unless_stopped_is_honoured(box: Box) -> None:
    policy = {"RestartPolicy": {"Name": "unless-stopped"}}
    stopped = await box.start("sleep", "1000", host=policy)
    await kill.kill(box.deps, stopped)
    always = await box.start("sleep", "1000", host={"RestartPolicy": {"Name": "always"}})
    await kill.kill(box.deps, always)
    await box.deps.background.drain()
    deps = await box.reborn()
    await started(deps, always)
    assert box.status(stopped) == "exited"


async def test_half_made_and_half_removed_containers_are_settled(box: Box) -> None:
    deps = box.deps
    volume = deps.volumes.create("")
    deps.journal.begin("container:create", "a" * 64, {"volumes": [volume.name]})
    deps.snapshots.create_rw("a" * 64, None)
    deps.folder("a" * 64).mkdir(parents=True)
    kept = await box.create("true")
    gone = await box.run("true")
    await deps.background.drain()
    deps.journal.begin("container:remove", gone.id, {"volumes": []})
    deps.registry.remove(deps.registry.find(gone.id))
    deps = await box.reborn()
    assert not deps.journal.pending() and not deps.volumes.list()
    assert set(deps.snapshots.rw_snapshots()) == {kept}
    assert not deps.folder("a" * 64).exists() and not deps.folder(gone.id).exists()
    await start.start(deps, kept)
    await wait.waiter(deps, kept)
