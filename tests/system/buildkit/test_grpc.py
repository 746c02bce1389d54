"""BuildKit's services as a client of our own sees them: what is refused, and what strangers cannot break."""

import asyncio
import os
from collections.abc import Iterator

import pytest
from grpclib.client import Channel, UnaryStreamMethod, UnaryUnaryMethod
from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError

from pier.api.buildkit.proto import control_pb2, gateway_pb2, llb_pb2, session_pb2
from pier.testing.engine import RunningEngine, running_engine
from tests.system.buildkit.grpc_client import UPGRADE, channel, raw

CONTROL = "/moby.buildkit.v1.Control/"
GATEWAY = "/moby.buildkit.v1.frontend.LLBBridge/"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    with running_engine(tmp_path_factory.mktemp("engine")) as started:
        yield started


def solve(client: Channel, request: control_pb2.SolveRequest) -> "asyncio.Task[control_pb2.SolveResponse]":
    method = UnaryUnaryMethod(client, CONTROL + "Solve", control_pb2.SolveRequest, control_pb2.SolveResponse)
    return asyncio.ensure_future(method(request))


async def ping(client: Channel, ref: str) -> gateway_pb2.PongResponse:
    method = UnaryUnaryMethod(client, GATEWAY + "Ping", gateway_pb2.PingRequest, gateway_pb2.PongResponse)
    return await method(gateway_pb2.PingRequest(), metadata={"buildkit-controlapi-buildid": ref} if ref else None)


async def return_(client: Channel, ref: str, request: gateway_pb2.ReturnRequest) -> None:
    method = UnaryUnaryMethod(client, GATEWAY + "Return", gateway_pb2.ReturnRequest, gateway_pb2.ReturnResponse)
    await method(request, metadata={"buildkit-controlapi-buildid": ref})


async def test_health_and_info(engine: RunningEngine) -> None:
    async with channel(engine.socket) as client:
        check = UnaryUnaryMethod(
            client, "/grpc.health.v1.Health/Check", session_pb2.HealthCheckRequest, session_pb2.HealthCheckResponse
        )
        assert (await check(session_pb2.HealthCheckRequest())).status == session_pb2.HealthCheckResponse.SERVING
        info = UnaryUnaryMethod(client, CONTROL + "Info", control_pb2.InfoRequest, control_pb2.InfoResponse)
        assert (await info(control_pb2.InfoRequest())).buildkitVersion.package == "github.com/moby/buildkit"


async def test_a_build_that_builds_nothing(engine: RunningEngine) -> None:
    """buildx begins with one, to learn what the engine can do."""
    async with channel(engine.socket) as client:
        solving = solve(client, control_pb2.SolveRequest(Ref="nothing"))
        pong = await ping(client, "nothing")
        assert "return" in [each.ID for each in pong.FrontendAPICaps]
        await return_(client, "nothing", gateway_pb2.ReturnRequest(result=gateway_pb2.Result()))
        assert dict((await solving).ExporterResponse) == {}


async def test_an_error_comes_back_as_it_was(engine: RunningEngine) -> None:
    async with channel(engine.socket) as client:
        solving = solve(client, control_pb2.SolveRequest(Ref="wrong"))
        await ping(client, "wrong")
        request = gateway_pb2.ReturnRequest()
        request.error.code = Status.ABORTED.value
        request.error.message = "the client's own fault"
        await return_(client, "wrong", request)
        with pytest.raises(GRPCError, match="the client's own fault") as caught:
            await solving
        assert caught.value.status is Status.ABORTED


async def test_jobs_that_are_not_there(engine: RunningEngine) -> None:
    async with channel(engine.socket) as client:
        with pytest.raises(GRPCError, match="no such job absent"):
            await ping(client, "absent")
        with pytest.raises(GRPCError, match="no buildid"):
            await ping(client, "")
        status = UnaryStreamMethod(client, CONTROL + "Status", control_pb2.StatusRequest, control_pb2.StatusResponse)
        with pytest.raises(GRPCError, match="no such job absent"):
            await status(control_pb2.StatusRequest(Ref="absent"))


async def test_a_job_twice(engine: RunningEngine) -> None:
    async with channel(engine.socket) as client:
        solving = solve(client, control_pb2.SolveRequest(Ref="twice"))
        await ping(client, "twice")
        with pytest.raises(GRPCError, match="job ID twice exists"):
            await solve(client, control_pb2.SolveRequest(Ref="twice"))
        await return_(client, "twice", gateway_pb2.ReturnRequest(result=gateway_pb2.Result()))
        await solving


async def test_definitions_are_refused(engine: RunningEngine) -> None:
    request = control_pb2.SolveRequest(Ref="llb")
    getattr(request.Definition, "def").append(llb_pb2.Op().SerializeToString())
    async with channel(engine.socket) as client:
        with pytest.raises(GRPCError, match="LLB") as caught:
            await solve(client, request)
        assert caught.value.status is Status.UNIMPLEMENTED


async def test_a_session_that_never_comes(engine: RunningEngine) -> None:
    request = control_pb2.SolveRequest(Ref="alone", Session="absent", Frontend="dockerfile.v0")
    async with channel(engine.socket) as client:
        with pytest.raises(GRPCError, match="no active session for absent"):
            await solve(client, request)


async def test_the_end_of_a_connection_ends_its_builds(engine: RunningEngine) -> None:
    async with channel(engine.socket) as client:
        solving = solve(client, control_pb2.SolveRequest(Ref="left"))
        await ping(client, "left")
    with pytest.raises(StreamTerminatedError):
        await solving
    async with channel(engine.socket) as client:
        solving = solve(client, control_pb2.SolveRequest(Ref="left"))  # the name is free again
        await ping(client, "left")
        await return_(client, "left", gateway_pb2.ReturnRequest(result=gateway_pb2.Result()))
        await solving


@pytest.mark.parametrize("path", ["/grpc", "/v1.41/grpc", "/session"])
@pytest.mark.parametrize("data", [b"", b"x" * 100_000, os.urandom(10_000)])
async def test_nonsense_is_hung_up_on(engine: RunningEngine, path: str, data: bytes) -> None:
    headers = f"X-Docker-Expose-Session-Uuid: {os.urandom(8).hex()}\r\n"
    answer = await raw(engine.socket, UPGRADE.format(path=path, protocol="h2c", headers=headers), data)
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert engine.request("GET", "/_ping")[0] == 200


@pytest.mark.parametrize("protocol", ["tcp", "h2"])
async def test_other_upgrades_are_refused(engine: RunningEngine, protocol: str) -> None:
    answer = await raw(engine.socket, UPGRADE.format(path="/grpc", protocol=protocol, headers=""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert f"protocol {protocol} not supported".encode() in answer


async def test_a_session_needs_a_name_of_its_own(engine: RunningEngine) -> None:
    answer = await raw(engine.socket, UPGRADE.format(path="/session", protocol="h2c", headers=""))
    assert b"a session needs an ID" in answer
