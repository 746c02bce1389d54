"""``/distribution``: what a registry has, without pulling it.

``json`` is Docker's. ``manifest`` is Pier's own: it lets ``pier manifest`` read and write registries through the
daemon, with its proxies, certificates and mirrors. ``insecure=1`` trusts the registry for this one request.
"""

import base64
import binascii
from typing import Any

import msgspec
from aiohttp import web

from pier.api.call import Call
from pier.api.messages import Progress, run_with_progress
from pier.api.replies import reply
from pier.api.routing import Route
from pier.errors import InvalidArgument
from pier.images import distribution, manifests
from pier.images.manifests import Entry
from pier.oci.reference import Reference, parse_reference
from pier.remote.client import Registries
from pier.remote.insecure import trusting
from pier.remote.settings import Credentials


class _Document(msgspec.Struct, frozen=True, rename="pascal"):
    """``raw`` is base64; ``reference`` says where the blobs of a manifest are."""

    raw: str
    media_type: str
    reference: str = ""


class _ListToPush(msgspec.Struct, frozen=True, rename="pascal"):
    manifests: list[_Document]
    list: _Document


async def inspect_distribution(call: Call) -> web.Response:
    reference = parse_reference(call.name).with_default_tag()
    return reply(await distribution.inspect(call.services.registries, reference, credentials(call)))


async def read_manifest(call: Call) -> web.Response:
    reference = parse_reference(call.name).with_default_tag()
    return reply(await manifests.read(_registries(call, reference), reference, credentials(call)))


async def write_manifest(call: Call) -> web.StreamResponse:
    target = parse_reference(call.name).with_default_tag()
    body = await call.json(_ListToPush)
    entries = [
        Entry(_bytes(each), each.media_type, parse_reference(each.reference or call.name)) for each in body.manifests
    ]
    for entry in entries:
        if entry.source.domain != target.domain:
            raise InvalidArgument(
                "cannot use source images from a different registry than the target image: "
                f"{entry.source.domain} != {target.domain}"
            )
    document = (_bytes(body.list), body.list.media_type)
    registries, given = _registries(call, target), credentials(call)

    async def work(report: Progress) -> None:
        await manifests.write(registries, target, entries, document, given, report)

    return await run_with_progress(call, work)


def _bytes(document: _Document) -> bytes:
    try:
        return base64.b64decode(document.raw, validate=True)
    except binascii.Error as error:
        raise InvalidArgument(f"a manifest's Raw is not base64: {error}") from error


def _registries(call: Call, reference: Reference) -> Registries:
    registries = call.services.registries
    return trusting(registries, reference.domain) if call.flag("insecure") else registries


def credentials(call: Call) -> Credentials | None:
    """What the client sends, if anything. An anonymous ``{}`` is nothing, nor is what cannot be read: clients send
    the strangest things, which Docker takes for nobody's.
    """
    try:
        config = call.header_json("X-Registry-Auth", dict[str, Any])
    except InvalidArgument:
        return None
    return Credentials.from_auth_config(config) if config else None


ROUTES = (
    Route("GET", "/distribution/{name}/json", inspect_distribution),
    Route("GET", "/distribution/{name}/manifest", read_manifest),
    Route("POST", "/distribution/{name}/manifest", write_manifest),
)
