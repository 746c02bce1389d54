"""RUN: a process in a container of its own; what it leaves of its root file system is the layer."""

import dataclasses
import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

from pier.build.context.contents import content_digest
from pier.build.context.files import Selector
from pier.build.deps import Build
from pier.build.graph import Exec, Rootfs, Vertex
from pier.build.ops.op import Result
from pier.build.steps.errorshell import FailedStep, ShellSession
from pier.build.steps.failed import StepFailed
from pier.build.steps.log import StepLog
from pier.build.steps.mounts import Mounted, step_mounts
from pier.build.steps.sandboxes import Sandbox
from pier.build.steps.spec import HOSTNAME, Place, environment, hosts_text, mount_points, step_plan
from pier.build.steps.stubs import Stubs
from pier.build.threads import in_thread
from pier.build.worktree import Worktree, worktree
from pier.errors import Forbidden, InvalidArgument
from pier.linux.files import make_folder
from pier.runtime import bundle
from pier.runtime.host import all_devices
from pier.runtime.lookup import account_in
from pier.runtime.plan import SpecMount
from pier.runtime.runtime import ExitResult
from pier.runtime.spec import build_spec

_ETC: Final = ("bind", "rprivate", "ro", "nosuid", "nodev", "noexec")


async def key(build: Build, vertex: Vertex, inputs: Sequence[Result]) -> str:
    """Neither secrets nor limits nor proxies count; a cache mount's beginnings do not either.

    Raises Forbidden for what was not granted: what others were granted is in the cache, and not for everybody.
    """
    op = _op(vertex)
    _check_entitled(build, op)
    digests = [await _digest(build, op, number, inputs) for number in range(len(op.mounts))]
    parts = (op, str(vertex.platform), _base(op, inputs).chain, digests, build.request.extra_hosts)
    return "sha256:" + hashlib.sha256(msgspec.json.encode(("exec", *parts))).hexdigest()


async def _digest(build: Build, op: Exec, number: int, inputs: Sequence[Result]) -> str:
    mount = op.mounts[number]
    if mount.type != "bind" or mount.input is None:
        return ""
    selector = Selector((_literal(mount.source),), follow=True)
    return await content_digest(build, inputs[mount.input], selector, input=mount.input)


def _literal(path: str) -> str:
    """A path as a pattern that means just it."""
    return "".join(f"\\{each}" if each in "*?[\\" else each for each in path) or "/"


def _op(vertex: Vertex) -> Exec:
    assert isinstance(vertex.op, Exec)
    return vertex.op


def _base(op: Exec, inputs: Sequence[Result]) -> Rootfs:
    base = inputs[op.base] if op.base is not None else Rootfs()
    assert isinstance(base, Rootfs)
    return base


async def execute(build: Build, vertex: Vertex, inputs: Sequence[Result]) -> Rootfs:
    """Raises StepFailed when the process fails, NotFound for a secret, Forbidden for what was not granted."""
    op, deps = _op(vertex), build.deps
    _check_entitled(build, op)
    insecure = op.security == "insecure"
    deps.runtime.anticipate()
    if op.network == "default" and not insecure:
        deps.sandboxes.prepare(deps.networks)
    async with worktree(deps, _base(op, inputs)) as tree:
        with ExitStack() as stack:
            async with (
                deps.sandboxes.lease(deps.networks, op.network, alone=insecure) as sandbox,
                step_mounts(build, op, inputs, tree) as mounted,
            ):
                stubs = await _run(build, vertex, tree, sandbox, mounted, stack)
            await in_thread(stubs.clear)
        await tree.unmount()
        await in_thread(stubs.prune, tree.upper)
        return await tree.commit()


def _check_entitled(build: Build, op: Exec) -> None:
    granted = build.request.entitlements
    if op.security == "insecure" and ("security.insecure" not in granted or not build.deps.settings.insecure):
        raise Forbidden("security.insecure is not allowed")
    if op.network == "host" and build.request.network != "host" and "network.host" not in granted:
        raise Forbidden("network.host is not allowed")


async def _run(
    build: Build, vertex: Vertex, tree: Worktree, sandbox: Sandbox, mounted: Mounted, stack: ExitStack
) -> Stubs:
    """Run it to its end. The mount points that were made for it are the caller's to clear."""
    op = _op(vertex)
    stubs = await in_thread(_prepare, build, vertex, tree, sandbox, mounted, stack)
    log = StepLog(build.progress, vertex.id)
    try:
        result = await build.deps.runtime.run_foreground(tree.id, tree.folder, log)
    except InvalidArgument as error:
        log(2, f"{error}\n".encode())
        log.failed()
        raise StepFailed(op.args, 1) from error
    if result.code:
        log.failed()
        raise await _failed(build, vertex, tree, result)
    return stubs


async def _failed(build: Build, vertex: Vertex, tree: Worktree, result: ExitResult) -> StepFailed:
    """The error; when asked for, the client has first had a shell where it happened."""
    error = StepFailed(_op(vertex).args, result.code, "cannot allocate memory" if result.oom_killed else "")
    session = build.session
    if build.request.error_shell and isinstance(session, ShellSession):
        await session.failed_step(FailedStep(build.deps, vertex.name, str(error), tree.id, tree.folder, tree.root))
    return error


def _prepare(
    build: Build, vertex: Vertex, tree: Worktree, sandbox: Sandbox, mounted: Mounted, stack: ExitStack
) -> Stubs:
    """Write the bundle into the step's folder; make the working folder and the mount points. Blocks."""
    op, deps = _op(vertex), build.deps
    try:
        account = account_in(tree.root, op.user)
        make_folder(tree.root, op.cwd)
    except InvalidArgument as error:
        raise StepFailed(op.args, 1, str(error)) from error
    place = Place(
        id=tree.id,
        rootfs=tree.root,
        netns=sandbox.path,
        account=account,
        mounts=(*mounted.mounts, *_etc_mounts(build, op, tree.folder, sandbox, mounted)),
        env=environment(op, vertex.environment, account.home, mounted.env),
    )
    plan = step_plan(op, build.request, deps.settings, place)
    stubs = Stubs(tree.root, stack)
    for path, folder in mount_points(plan, frozenset(mounted.folders)):
        stubs.make(path, folder=folder)
    host = dataclasses.replace(deps.host, devices=tuple(all_devices(Path("/dev")))) if plan.privileged else deps.host
    bundle.write(tree.folder, build_spec(plan, host))
    return stubs


def _etc_mounts(build: Build, op: Exec, folder: Path, sandbox: Sandbox, mounted: Mounted) -> list[SpecMount]:
    networks = build.deps.networks
    gateway = sandbox.endpoint.gateway if sandbox.endpoint is not None else "127.0.0.1"
    network = networks.find("host" if op.network == "host" else "bridge")
    texts = {
        "/etc/resolv.conf": networks.resolv_conf(network),
        "/etc/hosts": hosts_text(op.hostname or HOSTNAME, build.request.extra_hosts, gateway),
    }
    taken = {each.destination for each in mounted.mounts}
    made = []
    for target, text in texts.items():
        if target not in taken:
            path = folder / target.rpartition("/")[2]
            path.write_text(text)
            path.chmod(0o644)
            made.append(SpecMount("bind", str(path), target, _ETC))
    return made
