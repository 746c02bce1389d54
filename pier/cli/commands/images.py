"""``images``, ``rmi``, ``tag``."""

from __future__ import annotations

from pier.cli.call import Call, say, warn
from pier.cli.command import Command, Failure, Flag
from pier.cli.commands.ps import FORMAT_HELP
from pier.cli.config import load
from pier.cli.errors import sentence
from pier.cli.options.filters import grouped
from pier.cli.options.platform import platform_json
from pier.cli.render import Shape, show, table
from pier.cli.units import ago, go_time, size
from pier.client import images
from pier.errors import InvalidArgument, NotFound, PierError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

NONE = "<none>"
HEADERS = {
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "VirtualSize": "SIZE",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
}


def shape(truncate: bool) -> Shape:
    """The columns of a row of :func:`rows`."""
    return Shape(
        "*formatter.imageContext",
        {
            "ID": lambda row: short_id(row[0]["Id"]) if truncate else row[0]["Id"],
            "Repository": lambda row: row[1],
            "Tag": lambda row: row[2],
            "Digest": lambda row: row[3],
            "CreatedSince": lambda row: ago(row[0]["Created"]) if row[0]["Created"] > 0 else "N/A",
            "CreatedAt": lambda row: go_time(row[0]["Created"]),
            "Size": lambda row: size(row[0]["Size"], 3),
            "VirtualSize": lambda row: size(row[0]["Size"]),
            "SharedSize": lambda row: _known(row[0].get("SharedSize", -1)),
            "UniqueSize": _unique,
            "Containers": lambda row: _count(row[0].get("Containers", -1)),
        },
        HEADERS,
    )


def short_id(identity: str) -> str:
    return identity.removeprefix("sha256:")[:12]


def _known(count: int) -> str:
    return "N/A" if count == -1 else size(count)


def _count(count: int) -> str:
    return "N/A" if count == -1 else str(count)


def _unique(row: tuple[Json, str, str, str]) -> str:
    shared = row[0].get("SharedSize", -1)
    return "N/A" if shared == -1 else size(row[0]["Size"] - shared)


def rows(found: list[Json], digests: bool) -> list[tuple[Json, str, str, str]]:
    """One row a name: image, repository, tag, digest."""
    out: list[tuple[Json, str, str, str]] = []
    for image in found:
        tags = [_split_tag(name) for name in image.get("RepoTags") or [] if name != f"{NONE}:{NONE}"]
        by_digest = [name.partition("@")[::2] for name in image.get("RepoDigests") or [] if not name.startswith(NONE)]
        if not tags and not by_digest:
            out.append((image, NONE, NONE, NONE))
        for repository, tag in tags:
            mine = [digest for name, digest in by_digest if name == repository] if digests else []
            out += [(image, repository, tag, digest) for digest in mine or [NONE]]
        named = {repository for repository, _ in tags}
        for repository, digest in by_digest:
            if repository not in named:
                out.append((image, repository, NONE, digest if digests else ""))
    return out


def _split_tag(name: str) -> tuple[str, str]:
    repository, _, tag = name.rpartition(":")
    return repository, tag


def list_images(call: Call) -> int:
    form = call.text("format") or load(call.options).format("imagesFormat")
    filters = grouped(call.items("filter"))
    if call.args:
        filters.setdefault("reference", []).append(call.args[0])
    digests = call.flag("digests")
    found = images.listing(call.client, call.flag("all"), filters, digests)
    columns = ["Repository", "Tag", "ID", "CreatedSince", "Size"]
    if digests:
        columns.insert(2, "Digest")
    default = "{{.ID}}" if call.flag("quiet") else table(columns)
    show(shape(not call.flag("no-trunc")), rows(found, digests or "{{.Digest}}" in form), form, default)
    return 0


def remove(call: Call) -> int:
    status = 0
    platforms = [platform_json(text) for text in call.items("platform")]
    for name in call.args:
        try:
            lines = images.remove(call.client, name, call.flag("force"), call.flag("no-prune"), platforms)
        except NotFound as error:
            warn(sentence(error))
            status = status if call.flag("force") else 1
            continue
        except PierError as error:
            warn(sentence(error))
            status = 1
            continue
        for line in lines:
            say(f"Deleted: {line['Deleted']}" if line.get("Deleted") else f"Untagged: {line['Untagged']}")
    return status


def tag(call: Call) -> int:
    from pier.oci.reference import parse_reference

    source, target = call.args
    try:
        wanted = parse_reference(target).with_default_tag()
    except InvalidArgument as error:
        raise Failure(f'Error parsing reference: "{target}" is not a valid repository/tag: {error}') from error
    if wanted.digest:
        raise Failure("refusing to create a tag with a digest reference")
    images.tag(call.client, source, wanted.familiar_name, wanted.tag or "latest")
    return 0


IMAGES = Command(
    list_images,
    "[REPOSITORY[:TAG]]",
    (
        Flag("all", "bool", "Show intermediate images too", "a"),
        Flag("digests", "bool", "Show digests"),
        Flag("filter", "filter", "Show only those that match (dangling=true, label=a, before=IMAGE)", "f"),
        Flag("format", "string", FORMAT_HELP),
        Flag("no-trunc", "bool", "Do not shorten anything"),
        Flag("quiet", "bool", "Print only IDs", "q"),
        Flag("tree", "bool", "Show the platforms of images as a tree", hidden=True),
    ),
    maximum=1,
    completes="repository",
)
RMI = Command(
    remove,
    "IMAGE [IMAGE...]",
    (
        Flag("force", "bool", "Remove it even when it is in use or has more names", "f"),
        Flag("no-prune", "bool", "Keep parents that have no name"),
        Flag("platform", "strings", "Remove only this platform (os[/arch[/variant]])"),
    ),
    minimum=1,
    completes="images",
)
TAG = Command(
    tag,
    "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    minimum=2,
    maximum=2,
    completes="image",
    examples=(("pier tag app:1.2 localhost:5000/app:1.2", "The name by which a registry of your own gets it"),),
)
