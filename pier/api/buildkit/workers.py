"""What builds here, as clients are told: one worker, with its platforms and its cache's rules."""

from typing import TYPE_CHECKING, Final

from pier.api.buildkit.proto.llb_pb2 import Platform
from pier.api.buildkit.proto.worker_pb2 import BuildkitVersion, WorkerRecord
from pier.errors import PierError
from pier.networks.network import BRIDGE
from pier.oci.platform import host_platform, runnable

if TYPE_CHECKING:
    from pier.api.services import Services

_SNAPSHOTTER: Final = "org.mobyproject.buildkit.worker.snapshotter"
_HOST_GATEWAY: Final = "org.mobyproject.buildkit.worker.moby.host-gateway-ip"

VERSION: Final = BuildkitVersion(package="github.com/moby/buildkit", version="v0.13.2+pier")
"""The protocol's version, by which clients decide what they may ask for."""


async def worker(services: "Services") -> WorkerRecord:
    """The label of the snapshotter tells buildx that archives, several platforms and exported caches are possible."""
    info = await services.system.info()
    labels = {_SNAPSHOTTER: "overlayfs"}
    if gateway := await _bridge_gateway(services):
        labels[_HOST_GATEWAY] = gateway
    return WorkerRecord(
        ID=str(info.get("ID", "")),
        Labels=labels,
        platforms=[
            Platform(OS=platform.os, Architecture=platform.architecture, Variant=platform.variant)
            for platform in runnable(host_platform())
        ],
        BuildkitVersion=VERSION,
    )


async def _bridge_gateway(services: "Services") -> str:
    """What ``host-gateway`` means, which clients put into the hosts of a build."""
    try:
        return (await services.networks.settled(BRIDGE)).gateway
    except PierError:
        return ""
