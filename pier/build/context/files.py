"""Files that steps copy from (contract), and the two questions that are asked of them.

Implementations are here and in ``context/``; a root file system is asked in the same way as a folder.
"""

from dataclasses import dataclass

from pier.build.session import Folder


@dataclass(frozen=True, slots=True)
class Files:
    """The result of a source: a folder, and what of it does not count. ``immutable``: names it for good (a commit),
    so that digests of its contents may be remembered."""

    folder: Folder
    exclude: tuple[str, ...] = ()
    immutable: str = ""


@dataclass(frozen=True, slots=True)
class Selector:
    """What a step reads: patterns below the root (Go's ``filepath.Match``, as COPY has them), less ``exclude``.

    ``follow``: a pattern that names a link means what it leads to (a bind mount's source).
    """

    patterns: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    parents: bool = False
    follow: bool = False
