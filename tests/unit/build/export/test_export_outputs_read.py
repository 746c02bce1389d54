"""What the attributes of outputs mean."""

import pytest

from pier.build.export.outputs import Wanted, wanted
from pier.build.request import BuildRequest, Output
from pier.errors import InvalidArgument
from pier.oci.platform import Platform
from pier.oci.reference import parse_reference


def read(kind: str, **attributes: str) -> Wanted:
    given = {name.replace("_", "-"): value for name, value in attributes.items()}
    return wanted(BuildRequest(id="b", tags=("tagged",), outputs=(Output(kind, given),)))[0]


def test_without_outputs_the_image_is_stored() -> None:
    (only,) = wanted(BuildRequest(id="b", tags=("a", "b:1", "a")))
    assert (only.type, only.archive, only.push, only.store) == ("image", False, False, True)
    assert [name.canonical for name in only.names] == ["docker.io/library/a", "docker.io/library/b:1"]


@pytest.mark.parametrize(
    ("output", "archive", "push"),
    [
        (read("image"), False, False),
        (read("registry"), False, True),
        (read("image", push="true"), False, True),
        (read("image", push="0"), False, False),
        (read("docker"), False, False),
        (read("docker", dest="x.tar"), True, False),
        (read("oci"), True, False),
        (read("tar"), True, False),
        (read("local"), True, False),
    ],
)
def test_where_it_goes(output: Wanted, archive: bool, push: bool) -> None:
    assert (output.archive, output.push) == (archive, push)


def test_names_of_an_output_go_before_tags() -> None:
    assert read("image", name="x,me/y:2").names == (parse_reference("x"), parse_reference("me/y:2"))
    assert read("image").names == (parse_reference("tagged"),)


def test_annotations_and_forms() -> None:
    attributes = {"annotation.a": "1", "annotation-manifest.b.c": "2", "compression": "zstd", "compression-level": "9"}
    output = wanted(BuildRequest(id="b", outputs=(Output("oci", attributes),)))[0]
    assert output.annotated("manifest") == {"a": "1", "b.c": "2"}
    assert (output.compression, output.level, output.force, output.oci) == ("zstd", 9, False, None)


def test_annotations_have_places_and_platforms() -> None:
    attributes = {"annotation-index.a": "1", "annotation[linux/arm64].b": "2", "annotation-manifest-descriptor.c": "3"}
    output = wanted(BuildRequest(id="b", outputs=(Output("oci", attributes),)))[0]
    assert output.annotated("index") == {"a": "1"}
    assert output.annotated("manifest", Platform("arm64", "linux")) == {"b": "2"}
    assert output.annotated("manifest", Platform("amd64", "linux")) == {}
    assert output.annotated("manifest-descriptor", Platform("amd64", "linux")) == {"c": "3"}


def test_what_goes_nowhere() -> None:
    assert read("image", store="false").nowhere
    assert not read("image", store="false", push="true").nowhere
    assert not read("tar").nowhere


@pytest.mark.parametrize(
    ("kind", "attributes", "text"),
    [
        ("floppy", {}, 'exporter "floppy" could not be found'),
        ("image", {"push": "perhaps"}, 'non-bool value "perhaps" specified for push'),
        ("image", {"compression": "lzma"}, "unsupported compression type lzma"),
        ("image", {"compression-level": "much"}, 'non-integer value "much" specified for compression-level'),
        ("image", {"annotations.a": "b"}, "invalid annotation annotations.a"),
        ("image", {"name": "A b"}, "invalid reference format"),
        ("image", {"name": "a@sha256:" + "0" * 64}, "a name with a digest cannot be given"),
    ],
)
def test_what_makes_no_sense_is_refused(kind: str, attributes: dict[str, str], text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        wanted(BuildRequest(id="b", outputs=(Output(kind, attributes),)))
