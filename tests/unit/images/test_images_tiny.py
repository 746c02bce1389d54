"""Programs and tars made in memory, and the choice of a manifest."""

import io
import struct
import tarfile

import pytest

from pier.errors import NotFound, Unsupported
from pier.images.choose import acceptable, choose
from pier.images.hello import TEXT, executable
from pier.images.tinyimages import is_dynamic
from pier.images.tinytar import tar_entry, tar_of
from pier.oci.digest import sha256
from pier.oci.manifest import Descriptor, Index
from pier.oci.mediatypes import OCI_INDEX, OCI_MANIFEST
from pier.oci.platform import Platform, parse_platform


@pytest.mark.parametrize(("architecture", "machine"), [("amd64", 62), ("arm64", 183)])
def test_an_executable(architecture: str, machine: int) -> None:
    program = executable(architecture)
    assert len(program) < 1000
    assert struct.unpack_from("<H", program, 18)[0] == machine
    assert program.endswith(TEXT.encode())
    assert not is_dynamic(program)


def test_arm64_finds_its_text() -> None:
    program = executable("arm64", "hi")
    adr = struct.unpack_from("<I", program, 120 + 4)[0]
    offset = (adr >> 5 & 0x7FFFF) << 2 | adr >> 29 & 3
    assert program[120 + 4 + offset :] == b"hi"


def test_an_unknown_machine() -> None:
    with pytest.raises(Unsupported, match="there is no hello-world for riscv64 yet"):
        executable("riscv64")


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fELF\x01" + bytes(60)])
def test_what_is_no_static_program(data: bytes) -> None:
    assert is_dynamic(data)


def test_tars() -> None:
    made = tar_entry("first", 0o755, b"1") + tar_of({"d/f": (0o600, b"x" * 600)}, {"l": "d/f"}, {"d": 0o1777})
    with tarfile.open(fileobj=io.BytesIO(made)) as archive:
        members = {member.name: member for member in archive}
    assert list(members) == ["first", "d", "d/f", "l"]
    assert (members["d"].mode, members["d/f"].size, members["l"].linkname) == (0o1777, 600, "d/f")
    assert made == tar_entry("first", 0o755, b"1") + tar_of({"d/f": (0o600, b"x" * 600)}, {"l": "d/f"}, {"d": 0o1777})


def _entry(text: str, platform: Platform | None, **annotations: str) -> Descriptor:
    return Descriptor(OCI_MANIFEST, sha256(text.encode()), 1, annotations=annotations, platform=platform)


AMD64, I386, ARM = Platform("amd64", "linux"), Platform("386", "linux"), Platform("arm", "linux", "", "v7")


def test_choosing() -> None:
    attestation = _entry("a", AMD64, **{"vnd.docker.reference.type": "attestation-manifest"})
    unknown = _entry("u", Platform("unknown", "unknown"))
    amd64, i386, plain = _entry("amd64", AMD64), _entry("386", I386), _entry("plain", None)
    index = Index(schema_version=2, media_type=OCI_INDEX, manifests=[attestation, unknown, i386, plain, amd64])
    assert choose(index, (AMD64, I386)) == amd64
    assert choose(index, (I386,)) == i386
    assert choose(index, (ARM,)) == plain
    only = Index(schema_version=2, media_type=OCI_INDEX, manifests=[attestation, unknown, amd64])
    with pytest.raises(NotFound, match=r"^no matching manifest for linux/arm/v7 in the manifest list entries$"):
        choose(only, (ARM,))


@pytest.mark.parametrize(
    ("asked", "offered", "chosen"),
    [
        ("linux/amd64", "linux/amd64/v3 linux/amd64/v2 linux/amd64", "linux/amd64"),
        ("linux/amd64", "linux/386 linux/amd64/v3", "linux/amd64/v3"),
        ("linux/amd64", "linux/386", "linux/386"),
        ("linux/amd64/v3", "linux/amd64 linux/amd64/v2 linux/amd64/v4", "linux/amd64/v2"),
        ("linux/arm/v7", "linux/arm/v5 linux/arm/v6 linux/arm/v8", "linux/arm/v6"),
        ("linux/arm", "linux/arm/v8 linux/arm/v5 linux/arm/v6 linux/arm/v7", "linux/arm/v7"),
        ("linux/arm64", "linux/arm/v6 linux/arm/v7", "linux/arm/v7"),
    ],
)
def test_choosing_a_variant(asked: str, offered: str, chosen: str) -> None:
    """As Docker does: the platform's own, else the best that runs there."""
    entries = [_entry(text, parse_platform(text)) for text in offered.split()]
    index = Index(schema_version=2, media_type=OCI_INDEX, manifests=entries)
    assert choose(index, acceptable(parse_platform(asked))).digest == sha256(chosen.encode())
