"""``/images``: what two engines ask each other to pass images on without a registry; extensions of Pier's."""

import msgspec
from aiohttp import web

from pier.api.call import Call
from pier.api.messages import send_bytes
from pier.api.replies import reply
from pier.api.routing import Route
from pier.errors import InvalidArgument
from pier.images import bundle
from pier.oci.digest import Digest, parse_digest


class _Layers(msgspec.Struct, rename={"diff_ids": "DiffIDs"}):
    diff_ids: list[str] = []


class _Bundle(msgspec.Struct, rename="pascal"):
    names: list[str] = []
    without: list[str] = []


def _digests(texts: list[str]) -> list[Digest]:
    return [parse_digest(text) for text in texts]


async def missing(call: Call) -> web.Response:
    """Which layers, by diff ID, are not here: ``{"DiffIDs": [...]}`` to ``{"Missing": [...]}``."""
    asked = await call.json(_Layers)
    return reply({"Missing": bundle.missing(call.services.images, _digests(asked.diff_ids))})


async def images_bundle(call: Call) -> web.StreamResponse:
    """``{"Names": [...], "Without": [diff IDs]}`` to a gzipped archive without those layers."""
    asked = await call.json(_Bundle)
    if not asked.names:
        raise InvalidArgument("no image names were given")
    pieces = bundle.bundle(call.services.images, asked.names, _digests(asked.without))
    return await send_bytes(call, pieces, "application/x-tar")


ROUTES = (
    Route("POST", "/images/missing", missing),
    Route("POST", "/images/bundle", images_bundle),
)
