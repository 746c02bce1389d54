"""Where a build reads from: folders, standard input, URLs; and where its Dockerfile is."""

from __future__ import annotations

import os

from pier.cli.command import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pier.client.build import Offers

    Json = dict[str, Any]

REMOTE = ("http://", "https://", "git://", "ssh://", "git@", "github.com/")
GIVEN = ("docker-image://", "target:")
LAYOUT = "oci-layout://"
STDIN = "-"
HEAD = 512
MAGIC = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")


def _read(limit: int | None) -> bytes:
    """From standard input: ``limit`` bytes, fewer only at its end; None for all."""
    parts = []
    left = 1 << 62 if limit is None else limit
    while left and (data := os.read(0, min(left, 1 << 16))):
        parts.append(data)
        left -= len(data)
    return b"".join(parts)


def is_archive(head: bytes) -> bool:
    """Whether it begins as a tar does, or something compressed. A tar's first record has its own sum in octal."""
    if head.startswith(MAGIC):
        return True
    if len(head) < HEAD:
        return False
    try:
        told = int(head[148:156].strip(b"\0 ").decode("ascii") or "x", 8)
    except ValueError:
        return False
    return told == sum(head[:148]) + 8 * 32 + sum(head[156:512])


def is_remote(text: str) -> bool:
    return text.startswith(REMOTE)


class Contexts:
    """Fills a request's ``context``, ``dockerfile``, ``dockerfile_context`` and ``contexts``, and what is offered.

    ``temporary``: a folder that was made for a Dockerfile from standard input; the caller removes it.
    """

    def __init__(self, request: Json, offers: Offers) -> None:
        self._request = request
        self._offers = offers
        self.temporary = ""

    def main(self, path: str, dockerfile: str) -> None:
        """Raises Failure in buildx's words."""
        request = self._request
        if path == STDIN:
            if dockerfile == STDIN:
                raise Failure("ERROR: invalid argument: can't use stdin for both build context and dockerfile")
            self._stdin(dockerfile)
        elif os.path.isdir(path):
            self._offers.folders["context"] = path
            request["context"] = "local:context"
            if dockerfile != STDIN:
                self._dockerfile_beside(path, dockerfile)
        elif is_remote(path):
            request["context"] = path
            request["dockerfile"] = dockerfile or "Dockerfile"
        elif os.path.exists(path):
            raise Failure("ERROR: unable to prepare context: unable to evaluate symlinks in context path: not a folder")
        else:
            raise Failure(f'ERROR: unable to prepare context: path "{path}" not found')
        if dockerfile == STDIN:
            self._alone(_read(None))

    def _stdin(self, dockerfile: str) -> None:
        """An archive, or a Dockerfile alone: the first bytes tell."""
        head = _read(HEAD)
        if is_archive(head):
            self._offers.uploads["context"] = (0, head)
            self._request.update(context="upload:context", dockerfile=dockerfile or "Dockerfile")
        else:
            self._request["context"] = ""
            self._alone(head + _read(None))

    def _dockerfile_beside(self, context: str, dockerfile: str) -> None:
        """In the context it is read with it, elsewhere its folder is one more."""
        path = dockerfile or os.path.join(context, "Dockerfile")
        if not dockerfile and not os.path.lexists(path) and os.path.lexists(os.path.join(context, "dockerfile")):
            path = os.path.join(context, "dockerfile")
        below = os.path.relpath(path, context)
        real, root = os.path.realpath(path), os.path.realpath(context)
        if not below.startswith("../") and (real.startswith(root.rstrip("/") + "/") or not os.path.exists(real)):
            self._request["dockerfile"] = below
            return
        folder, name = os.path.split(os.path.abspath(path))
        if os.path.islink(path):
            folder, name = os.path.split(real)
        if not os.path.isdir(folder):
            raise Failure(
                f"ERROR: failed to solve: failed to read dockerfile: open {dockerfile}: no such file or directory"
            )
        self._separate(folder, name)

    def _separate(self, folder: str, name: str) -> None:
        self._offers.folders["dockerfile"] = folder
        self._request.update(dockerfile=name, dockerfile_context="local:dockerfile")

    def _alone(self, data: bytes) -> None:
        from tempfile import mkdtemp

        self.temporary = mkdtemp(prefix="pier-dockerfile-")
        with open(os.path.join(self.temporary, "Dockerfile"), "wb") as file:
            file.write(data)
        self._separate(self.temporary, "Dockerfile")

    def named(self, pairs: list[str]) -> None:
        """``--build-context NAME=VALUE``. Raises Failure."""
        found: dict[str, str] = {}
        for pair in pairs:
            name, equals, value = pair.partition("=")
            if not equals:
                raise Failure(f"ERROR: invalid context value: {pair}, expected key=value")
            if value.startswith(LAYOUT):
                found[name] = self._layout(value.removeprefix(LAYOUT))
            elif value.startswith(GIVEN) or is_remote(value):
                found[name] = value
            elif os.path.isdir(value):
                self._offers.folders[f"context:{name}"] = value
                found[name] = f"local:context:{name}"
            else:
                raise Failure(f"ERROR: failed to get build context {name}: stat {value}: no such file or directory")
        if found:
            self._request["contexts"] = found

    def _layout(self, given: str) -> str:
        """``DIR[:TAG][@DIGEST]``: the folder is offered under a number. Raises Failure."""
        rest, at, digest = given.partition("@")
        path, colon, tag = rest.partition(":")
        if not os.path.isfile(os.path.join(path, "index.json")):
            raise Failure(f"ERROR: oci-layout reference {given!r} could not be resolved: {path} is no OCI layout")
        name = f"{len(self._offers.folders)}{colon}{tag}{at}{digest}"
        self._offers.folders[f"layout:{name}"] = path
        return LAYOUT + name
