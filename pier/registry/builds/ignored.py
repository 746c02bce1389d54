"""What ``.dockerignore`` keeps out of a build's context: here, since Docker's engine leaves nothing out of archives."""

import os
from pathlib import Path
from typing import Final

from pier.errors import InvalidArgument
from pier.linux.files import open_in_root
from pier.oci.ignore import Matcher, parse_ignore
from pier.registry.builds.failed import BuildFailed

_IGNORE: Final = ".dockerignore"
_LARGEST: Final = 1 << 20


def ignored(folder: Path, dockerfile: str) -> Matcher:
    """The Dockerfile's own list goes before the folder's. It and the Dockerfile stay: engines look into them.

    Blocks. Raises BuildFailed.
    """
    for name in (f"{dockerfile}{_IGNORE}", _IGNORE):
        content = _content(folder, name)
        if content is not None:
            break
    patterns = parse_ignore(content or b"")
    try:
        return Matcher([*patterns, f"!{dockerfile}", f"!{name}"] if patterns else [])
    except InvalidArgument as error:
        raise BuildFailed(f"{name}: {error.message}") from error


def _content(folder: Path, name: str) -> bytes | None:
    """None where there is no such file. A link leads nowhere out of the folder."""
    try:
        descriptor = open_in_root(folder, name, os.O_RDONLY | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            return file.read(_LARGEST)
    except OSError:
        return None
