"""``/commit``."""

from aiohttp import web

from pier.api.call import Call
from pier.api.replies import reply
from pier.api.routing import Route
from pier.containers import commit
from pier.containers.config import ContainerConfig, decode_create
from pier.errors import InvalidArgument
from pier.oci.reference import parse_reference


async def commit_container(call: Call) -> web.Response:
    if not call.text("container"):
        raise InvalidArgument("container is missing")
    data = await call.json_bytes(optional=True)
    config = decode_create(data).config if data not in (b"", b"null") else ContainerConfig()
    target = None
    if call.text("repo"):
        target = parse_reference(call.text("repo"))
        target = target.with_tag(call.text("tag")) if call.text("tag") else target.with_default_tag()
    options = commit.CommitOptions(
        reference=target,
        author=call.text("author"),
        comment=call.text("comment"),
        changes=tuple(line for text in call.texts("changes") for line in text.split("\n") if line.strip()),
        pause=call.flag("pause", True),
        config=config,
    )
    return reply({"Id": await commit.commit(call.services.containers, call.text("container"), options)}, 201)


ROUTES = (Route("POST", "/commit", commit_container),)
