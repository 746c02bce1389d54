"""A new cache mount gets what its ``from`` has."""

import os
from pathlib import Path

from pier.build.steps.seeding import copy_tree


async def test_a_tree_is_copied(tmp_path: Path) -> None:
    source, target, tmp = tmp_path / "source", tmp_path / "target", tmp_path / "tmp"
    for folder in (source / "deep", target, tmp):
        folder.mkdir(parents=True)
    (source / "deep/file").write_text("text")
    os.chown(source / "deep/file", 12, 34)
    os.chmod(source / "deep/file", 0o640)
    os.symlink("/etc/passwd", source / "link")
    os.setxattr(source / "deep/file", "user.note", b"x")
    await copy_tree(tmp, source, target)
    status = (target / "deep/file").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (12, 34, 0o640)
    assert (target / "deep/file").read_text() == "text"
    assert os.readlink(target / "link") == "/etc/passwd"
    assert os.getxattr(target / "deep/file", "user.note") == b"x"
    assert list(tmp.iterdir()) == []
