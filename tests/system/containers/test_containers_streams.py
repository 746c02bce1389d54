"""Attach, exec, logs: every byte, in order, also for those who come early or leave."""

import asyncio

import pytest

from pier.containers import attach, exec, logs, resize, start, stop, wait
from pier.containers.attach import Attachment, AttachOptions
from pier.containers.exec import ExecRequest
from pier.errors import Conflict, InvalidArgument, NotFound
from pier.logs.driver import LogQuery
from tests.system.containers.conftest import Box

BOTH = AttachOptions(stdin=True, stdout=True, stderr=True, stream=True)


async def read_all(attached: Attachment) -> bytes:
    return b"".join([data async for _, data in attached])


async def read_until(attached: Attachment, text: bytes) -> bytes:
    heard = b""
    async for _, data in attached:
        heard += data
        if text in heard:
            return heard
    raise AssertionError(f"{text!r} was never written: {heard!r}")


async def test_piped_input_with_half_close(box: Box) -> None:
    container_id = await box.create("cat", OpenStdin=True, StdinOnce=True)
    attached = await attach.attach(box.deps, container_id, BOTH)
    await start.start(box.deps, container_id)
    sent = b"x" * 300_000 + b"end\n"

    async def send() -> None:
        await attached.write(sent)
        await attached.close_stdin()

    _, received = await asyncio.gather(send(), read_all(attached))
    await attached.close()
    assert received == sent
    assert (await wait.waiter(box.deps, container_id)).code == 0


async def test_a_lot_of_output_of_a_container_that_exits_at_once_is_complete(box: Box) -> None:
    ran = await box.run("sh", "-c", "seq 1 200000; echo last >&2")
    assert ran.stdout == "".join(f"{number}\n" for number in range(1, 200_001)) and ran.stderr == "last\n"


async def test_several_clients_see_the_same(box: Box) -> None:
    container_id = await box.create("sh", "-c", "seq 1 1000")
    clients = [await attach.attach(box.deps, container_id, BOTH) for _ in range(3)]
    await start.start(box.deps, container_id)
    heard = await asyncio.gather(*(read_all(client) for client in clients))
    for client in clients:
        await client.close()
    assert heard[0] == heard[1] == heard[2] != b""


async def test_a_client_that_left_before_the_start_holds_nothing_up(box: Box) -> None:
    container_id = await box.create("echo", "hi")
    gone = await attach.attach(box.deps, container_id, BOTH)
    await gone.close()
    assert await read_all(gone) == b""
    stays = await attach.attach(box.deps, container_id, BOTH)
    await start.start(box.deps, container_id)
    assert await read_all(stays) == b"hi\n"
    await stays.close()


async def test_logs_are_replayed_before_what_follows(box: Box) -> None:
    container_id = await box.start("sh", "-c", "echo first; cat", OpenStdin=True)
    await box.until_said(container_id, "first")
    attached = await attach.attach(box.deps, container_id, AttachOptions(True, True, True, logs=True, stream=True))
    await attached.write(b"second\n")
    assert await read_until(attached, b"second\n") == b"first\nsecond\n"
    await attached.close()


async def test_detach_keys_let_go_of_a_terminal(box: Box) -> None:
    container_id = await box.create("cat", Tty=True, OpenStdin=True)
    attached = await attach.attach(box.deps, container_id, BOTH)
    await start.start(box.deps, container_id)
    await resize.resize(box.deps, container_id, 40, 100)
    await attached.write(b"typed\n")
    assert b"typed" in await read_until(attached, b"typed\r\n")
    await attached.write(b"\x10")
    await attached.write(b"\x11never")
    rest = await read_all(attached)
    assert b"never" not in rest
    assert box.status(container_id) == "running"
    with pytest.raises(InvalidArgument, match="Invalid detach keys"):
        await attach.attach(box.deps, container_id, AttachOptions(stream=True, detach_keys="ctrl-?"))


async def test_logs_of_running_and_ended_containers(box: Box) -> None:
    ran = await box.run("sh", "-c", "echo 1; echo 2 >&2; echo 3; printf 4")
    found = await logs.logs(box.deps, ran.id, LogQuery())
    entries = [entry async for batch in found.batches for entry in batch]
    assert sorted((entry.stream, entry.data) for entry in entries) == [(1, b"1\n"), (1, b"3\n"), (1, b"4"), (2, b"2\n")]
    followed = await logs.logs(box.deps, ran.id, LogQuery(stderr=False, tail=1, follow=True))
    assert [entry.data async for batch in followed.batches for entry in batch] == [b"4"]
    framed = await logs.logs(box.deps, ran.id, LogQuery(stdout=False))
    assert b"".join([block async for block in framed.frames()]) == b"\x02\0\0\0\0\0\0\x022\n"
    with pytest.raises(InvalidArgument, match="you must choose at least one stream"):
        await logs.logs(box.deps, ran.id, LogQuery(stdout=False, stderr=False))


async def test_exec(box: Box) -> None:
    container_id = await box.start("sleep", "1000", name="runs", Env=["OWN=1"], User="web")
    assert await box.exec("runs", "sh", "-c", "echo out; echo err >&2; exit 4") == ("out\nerr\n", 4)
    said, _ = await box.exec("runs", "env", env=("MORE=2", "OWN=3"))
    assert {"MORE=2", "OWN=3", "FROM=image", "HOME=/home/web"} <= set(said.split("\n"))
    said, _ = await box.exec("runs", "sh", "-c", "id -u; pwd; echo $HOME", user="root", working_dir="/etc")
    assert said == "0\n/etc\n/root\n"
    said, _ = await box.exec("runs", "sh", "-c", "tty; echo $TERM", tty=True)
    assert said == "/dev/pts/0\r\nxterm\r\n"
    found = box.deps.registry.find(container_id)
    assert len(found.execs) == 4 and not any(each.running for each in found.execs.values())


async def test_exec_with_input(box: Box) -> None:
    await box.start("sleep", "1000", name="runs")
    request = ExecRequest(cmd=("cat",), attach_stdin=True, attach_stdout=True)
    attached = await exec.start(box.deps, await exec.create(box.deps, "runs", request))
    assert attached is not None
    await attached.write(b"hello")
    await attached.close_stdin()
    assert await read_all(attached) == b"hello"
    await attached.close()


async def test_exec_that_cannot_run(box: Box) -> None:
    await box.start("sleep", "1000", name="runs")
    said, code = await box.exec("runs", "nope")
    assert (
        code == 127 and 'OCI runtime exec failed: exec failed: unable to start container process: exec: "nope"' in said
    )
    assert (await box.exec("runs", "/etc/passwd"))[1] == 126
    assert "unable to find user nope" in (await box.exec("runs", "true", user="nope"))[0]
    detached = await exec.create(box.deps, "runs", ExecRequest(cmd=("nope",)))
    with pytest.raises(InvalidArgument, match="OCI runtime exec failed"):
        await exec.start(box.deps, detached, detach=True)
    with pytest.raises(Conflict, match="has already run"):
        await exec.start(box.deps, detached)
    with pytest.raises(NotFound, match=r"^No such exec instance: abc$"):
        exec.inspect(box.deps, "abc")
    with pytest.raises(InvalidArgument, match=r"^No exec command specified$"):
        await exec.create(box.deps, "runs", ExecRequest())


async def test_exec_ends_with_its_container(box: Box) -> None:
    await box.start("sleep", "1000", name="runs")
    exec_id = await exec.create(box.deps, "runs", ExecRequest(cmd=("sleep", "1000")))
    assert await exec.start(box.deps, exec_id, detach=True) is None
    assert exec.inspect(box.deps, exec_id)["Running"] is True
    await stop.stop(box.deps, "runs", timeout=0)
    await box.deps.background.drain()
    assert exec.inspect(box.deps, exec_id)["ExitCode"] == 137
    assert not (box.deps.run / "execs" / exec_id).exists()
    with pytest.raises(Conflict, match="is not running"):
        await exec.create(box.deps, "runs", ExecRequest(cmd=("true",)))
