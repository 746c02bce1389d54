"""``grpc.health.v1``: always well, as long as it answers."""

from pier.api.buildkit.proto.session_pb2 import HealthCheckRequest, HealthCheckResponse
from pier.api.buildkit.rpc import Metadata, Service, unary


async def _check(request: HealthCheckRequest, metadata: Metadata) -> HealthCheckResponse:
    return HealthCheckResponse(status=HealthCheckResponse.SERVING)


def health() -> Service:
    return Service("grpc.health.v1.Health", {"Check": unary(_check, HealthCheckRequest, HealthCheckResponse)})
