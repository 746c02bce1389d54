"""References, normalised and refused as Docker does."""

import pytest

from pier.errors import InvalidArgument
from pier.oci.digest import Digest
from pier.oci.reference import Reference, is_id_prefix, parse_reference

HEX = "a" * 64
DIGEST = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("text", "canonical", "familiar"),
    [
        ("busybox", "docker.io/library/busybox", "busybox"),
        ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
        ("me/app", "docker.io/me/app", "me/app"),
        ("library/busybox", "docker.io/library/busybox", "busybox"),
        ("docker.io/busybox", "docker.io/library/busybox", "busybox"),
        ("index.docker.io/busybox", "docker.io/library/busybox", "busybox"),
        ("index.docker.io/me/app:2", "docker.io/me/app:2", "me/app:2"),
        ("docker.io/library/a/b", "docker.io/library/a/b", "library/a/b"),
        ("localhost/x", "localhost/x", "localhost/x"),
        ("localhost:5000/x:1", "localhost:5000/x:1", "localhost:5000/x:1"),
        ("127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c"),
        ("[::1]:5000/x", "[::1]:5000/x", "[::1]:5000/x"),
        ("ghcr.io/a/b", "ghcr.io/a/b", "ghcr.io/a/b"),
        ("Upper/x", "Upper/x", "Upper/x"),
        ("a__b/c-d--e.f", "docker.io/a__b/c-d--e.f", "a__b/c-d--e.f"),
        (f"busybox@{DIGEST}", f"docker.io/library/busybox@{DIGEST}", f"busybox@{DIGEST}"),
        (f"busybox:1@{DIGEST}", f"docker.io/library/busybox:1@{DIGEST}", f"busybox:1@{DIGEST}"),
    ],
)
def test_normalising(text: str, canonical: str, familiar: str) -> None:
    reference = parse_reference(text)
    assert reference.canonical == canonical
    assert str(reference) == reference.familiar == familiar
    assert parse_reference(canonical) == reference
    assert parse_reference(familiar) == reference


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid reference format"),
        (":", "invalid reference format"),
        ("x:", "invalid reference format"),
        ("x:a b", "invalid reference format"),
        ("x:" + "t" * 129, "invalid reference format"),
        ("-x", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("a..b", "invalid reference format"),
        ("a/../b", "invalid reference format"),
        ("x@sha256:abc", "invalid reference format"),
        ("x\n", "invalid reference format"),
        ("x\0", "invalid reference format"),
        ("http://x/y", "invalid reference format"),
        ("Busybox", "invalid reference format: repository name (library/Busybox) must be lowercase"),
        ("me/App:1", "invalid reference format: repository name (me/App) must be lowercase"),
        (HEX, f"invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings"),
        ("a" * 256, "repository name must not be more than 255 characters"),
        (f"x@md5:{'a' * 32}", "unsupported digest algorithm"),
        (f"x@sha256:{'a' * 63}", "invalid checksum digest length"),
    ],
)
def test_refusing(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_reference(text)
    assert str(caught.value) == message


def test_default_tag_only_where_nothing_is_said() -> None:
    assert parse_reference("x").with_default_tag().tag == "latest"
    assert parse_reference("x:1").with_default_tag().tag == "1"
    assert parse_reference(f"x@{DIGEST}").with_default_tag().tag is None


def test_changing_tag_and_digest() -> None:
    reference = parse_reference("x:1")
    assert reference.with_tag("2").familiar == "x:2"
    assert reference.with_digest(Digest(DIGEST)) == Reference("docker.io", "library/x", None, Digest(DIGEST))
    with pytest.raises(InvalidArgument, match="invalid tag format"):
        reference.with_tag("no spaces")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a", True), ("abc123", True), (HEX, True), (DIGEST, True), ("sha256:ab", True)]
    + [(text, False) for text in ("", "xyz", "ABC", HEX + "a", "sha256:", "ab\n")],
)
def test_id_prefixes(text: str, expected: bool) -> None:
    assert is_id_prefix(text) is expected
