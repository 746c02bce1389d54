"""BuildKit's exporters to the outputs of a request (pure)."""

from typing import Final

from pier.api.buildkit.proto.control_pb2 import SolveRequest
from pier.build.request import Output
from pier.errors import Unsupported

_KNOWN: Final = ("image", "docker", "oci", "local", "tar")


def outputs(job: SolveRequest) -> tuple[Output, ...]:
    """In the order in which the client numbers them. Without any, the result stays in the cache alone."""
    if job.Exporters:
        return tuple(_output(exporter.Type, dict(exporter.Attrs)) for exporter in job.Exporters)
    if job.ExporterDeprecated:
        return (_output(job.ExporterDeprecated, dict(job.ExporterAttrsDeprecated)),)
    return (Output("image", {"store": "false"}),)


def is_folder(output: Output) -> bool:
    """An image as a layout in a folder of the client's."""
    return output.type in ("oci", "docker") and output.attributes.get("tar", "true").lower() in ("false", "f", "0")


def _output(kind: str, attributes: dict[str, str]) -> Output:
    if kind == "moby":
        # The client pushes the image itself, once it is in the store.
        return Output("image", {name: value for name, value in attributes.items() if name != "push"})
    if kind not in _KNOWN:
        raise Unsupported(f'exporter "{kind}" could not be found')
    if kind == "docker":
        return Output(kind, {**attributes, "dest": "-"})  # else it goes into the store, and not to the client
    return Output(kind, attributes)
