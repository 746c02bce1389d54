"""Results that a client may hold in its hands: a client takes them for definitions of the low-level build language,
and gives them back as inputs of another build (``target:`` contexts of bake). To us they are names of images.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pier.api.buildkit.proto import gateway_pb2, llb_pb2
from pier.errors import Unsupported
from pier.oci.digest import Digest

_SCHEME: Final = "docker-image://"
_NO_DEFINITIONS: Final = (
    "builds from low-level definitions (LLB) are not supported: only the Dockerfile frontend (dockerfile.v0) is"
)


@dataclass(frozen=True, slots=True)
class Result:
    """``images``: an ID and its config for each platform, by the platform's name."""

    id: str
    images: Mapping[str, tuple[Digest, bytes]]

    def to_message(self) -> gateway_pb2.Result:
        """One platform's is the result itself; of several, each has its name."""
        message = gateway_pb2.Result()
        refs = {name: self._ref(name, image) for name, (image, _) in self.images.items()}
        if len(refs) == 1:
            message.ref.CopyFrom(next(iter(refs.values())))
            message.metadata["containerimage.config"] = next(iter(self.images.values()))[1]
            return message
        for name, ref in refs.items():
            message.refs.refs[name].CopyFrom(ref)
            message.metadata[f"containerimage.config/{name}"] = self.images[name][1]
        return message

    def _ref(self, name: str, image: Digest) -> gateway_pb2.Ref:
        ref = gateway_pb2.Ref(id=f"{self.id}/{name}")
        getattr(ref, "def").CopyFrom(definition(_SCHEME + image))
        return ref


def definition(identifier: str) -> llb_pb2.Definition:
    """A definition that only says where its result comes from."""
    source = llb_pb2.Op(source=llb_pb2.SourceOp(identifier=identifier)).SerializeToString(deterministic=True)
    digest = "sha256:" + hashlib.sha256(source).hexdigest()
    end = llb_pb2.Op(inputs=[llb_pb2.Input(digest=digest)]).SerializeToString(deterministic=True)
    made = llb_pb2.Definition()
    getattr(made, "def").extend([source, end])
    made.metadata[digest].SetInParent()
    made.metadata["sha256:" + hashlib.sha256(end).hexdigest()].SetInParent()
    return made


def identifier_of(given: llb_pb2.Definition) -> str:
    """Where the result of a definition comes from. Raises Unsupported unless it is one source alone."""
    operations = [llb_pb2.Op.FromString(data) for data in getattr(given, "def")]
    sources = [operation.source.identifier for operation in operations if operation.HasField("source")]
    if len(sources) != 1 or len(operations) > 2:
        raise Unsupported(_NO_DEFINITIONS)
    return sources[0]


def refuse_definition(given: llb_pb2.Definition) -> None:
    """Raises Unsupported where there is one."""
    if getattr(given, "def"):
        raise Unsupported(_NO_DEFINITIONS)
