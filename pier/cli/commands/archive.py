"""``save``, ``load``, ``export``, ``import``: images and file systems as tar archives."""

from __future__ import annotations

import os
import sys

from pier.cli import progress
from pier.cli.call import Call
from pier.cli.command import Command, Failure, Flag
from pier.cli.options.platform import given_platform
from pier.cli.relay import write_all
from pier.cli.terminal import is_terminal
from pier.client import containers, images
from pier.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pier.client.http import Response

PIECE = 1 << 20
PLATFORM = "(os[/arch[/variant]])"


def open_input(path: str) -> int:
    """A descriptor of ``path``. Raises Failure for a folder, which can be opened but not read."""
    if os.path.isdir(path):
        raise Failure(f"read {path}: is a directory")
    return os.open(path, os.O_RDONLY)


def read_pieces(descriptor: int) -> Iterator[bytes]:
    while piece := os.read(descriptor, PIECE):
        yield piece


def write_output(response: Response, path: str) -> None:
    """To ``path`` under a temporary name until it is whole, or to standard output when there is none."""
    if not path:
        sys.stdout.flush()
        for piece in response.pieces():
            write_all(1, piece)
        return
    if os.path.exists(path) and not os.path.isfile(path):
        _write(path, response.pieces())
        return
    temporary = f"{path}.part"
    try:
        _write(temporary, response.pieces())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def _write(path: str, pieces: Iterable[bytes]) -> None:
    with open(path, "wb") as file:
        for piece in pieces:
            file.write(piece)


def _check_output(path: str, failed: str) -> None:
    if not path and is_terminal(1):
        raise Failure("cowardly refusing to save to a terminal. Use the -o flag or redirect")
    if not path:
        return
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise Failure(f"{failed}: invalid output path: stat {folder}: no such file or directory")
    if os.path.isdir(path):
        raise Failure(f"{failed}: cannot write to a directory")


def save(call: Call) -> int:
    _check_output(call.text("output"), "failed to save image")
    write_output(images.save(call.client, call.args, given_platform(call)), call.text("output"))
    return 0


def export(call: Call) -> int:
    _check_output(call.text("output"), "failed to export container")
    write_output(containers.export(call.client, call.args[0]), call.text("output"))
    return 0


def load(call: Call) -> int:
    path = call.text("input")
    if not path and is_terminal(0):
        raise Failure("requested load from stdin, but stdin is empty")
    descriptor = open_input(path) if path else 0
    quiet = call.flag("quiet") or not is_terminal(1)
    response = images.load(call.client, read_pieces(descriptor), quiet, given_platform(call))
    if "json" in response.headers.get("content-type", ""):
        progress.show(response.messages())
    else:
        for piece in response.pieces():
            write_all(1, piece)
    return 0


def import_image(call: Call) -> int:
    source = call.args[0]
    pieces: Iterator[bytes] | None = None
    if source == "-":
        pieces, from_source = read_pieces(0), "-"
    elif source.startswith(("http://", "https://")):
        from_source = source
    else:
        pieces, from_source = read_pieces(open_input(source)), "-"
    repository, tag = _target(call.args[1]) if len(call.args) > 1 else ("", "")
    query: dict[str, str | list[str]] = {
        "fromSrc": from_source,
        "repo": repository,
        "tag": tag,
        "message": call.text("message"),
        "platform": call.text("platform").lower(),
        "changes": call.items("change"),
    }
    progress.show(images.import_source(call.client, query, pieces))
    return 0


def _target(name: str) -> tuple[str, str]:
    from pier.oci.reference import parse_reference

    reference = parse_reference(name)
    if reference.digest:
        raise InvalidArgument("cannot import digest reference")
    return reference.familiar_name, reference.tag or ""


OUTPUT = Flag("output", "string", "Write to this file instead of standard output", "o")
SAVE = Command(
    save,
    "IMAGE [IMAGE...]",
    (OUTPUT, Flag("platform", "string", f"Save only this platform {PLATFORM}")),
    minimum=1,
    completes="images",
    examples=(("pier save -o app.tar app:1 app:2", "Two images in one file"),),
)
EXPORT = Command(export, "CONTAINER", (OUTPUT,), minimum=1, maximum=1, completes="containers")
LOAD = Command(
    load,
    "",
    (
        Flag("input", "string", "Read this file instead of standard input", "i"),
        Flag("platform", "string", f"Load only this platform {PLATFORM}"),
        Flag("quiet", "bool", "Show no progress", "q"),
    ),
    maximum=0,
    examples=(("pier load -i app.tar", "Read the images of a file"),),
)
IMPORT = Command(
    import_image,
    "file|URL|- [REPOSITORY[:TAG]]",
    (
        Flag("change", "list", "Apply a Dockerfile instruction to the image (CMD, ENV, ...)", "c"),
        Flag("message", "string", "Say where the image comes from", "m"),
        Flag("platform", "string", "Platform of the image (os/arch[/variant])"),
    ),
    minimum=1,
    maximum=2,
    details="Of a URL a Docker engine fetches the archive itself; pierd takes files and standard input only.",
    examples=(("pier import -c 'CMD [\"sh\"]' rootfs.tar tiny", "An image of a folder that was packed with tar"),),
)
