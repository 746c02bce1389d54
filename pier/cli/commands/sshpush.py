"""``push IMAGE ssh://HOST``: the layers that another engine lacks, straight to it; no registry is in between."""

from __future__ import annotations

import sys

from pier.cli import progress
from pier.cli.call import Call, say
from pier.client import images
from pier.client.endpoint import Endpoint
from pier.client.session import Client, messages
from pier.errors import PierError, Unavailable
from pier.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SHORT = slice(len("sha256:"), len("sha256:") + 12)


def push_over_ssh(call: Call, reference: Reference, url: str, quiet: bool) -> None:
    """Raises NotFound for an image that is not here, Unavailable where the other engine cannot be reached."""
    name = reference.familiar
    layers: list[str] = images.inspect(call.client, name)["RootFS"].get("Layers") or []
    with Client(Endpoint(url)) as other:
        lacking = _lacking(other, layers)
        if not quiet:
            say(f"The push refers to {name} at {url}")
            for layer in dict.fromkeys(layers):
                if layer not in lacking:
                    say(f"{layer[SHORT]}: Layer already exists")
        sys.stdout.flush()
        there = [layer for layer in layers if layer not in lacking]
        told = messages(images.load(other, _bundle(call.client, name, there), quiet, ""))
        if quiet:
            progress.drain(told)
            say(name)
        else:
            progress.show(told)


def _bundle(client: Client, name: str, without: list[str]) -> Iterator[bytes]:
    yield from images.bundle(client, [name], without).pieces()


def _lacking(other: Client, layers: list[str]) -> set[str]:
    try:
        return set(images.missing(other, layers)) if layers else set()
    except Unavailable as error:
        raise Unavailable(f"{error}: is there a pier, and does 'ssh' get there without a question?") from error
    except PierError as error:
        raise type(error)(f"{error}: is it a Pier? Others take images from a registry only") from error
