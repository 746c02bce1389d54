"""Images by the ``docker`` command: load, save, import, tag, remove, list, history, prune."""

import gzip
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.archives import ImageParts, digest, docker_archive, file_layer, members
from tests.compat.conftest import IMAGE
from tests.compat.docker_cli import Docker
from tests.compat.rootfs import busybox_rootfs, entry, pack


@pytest.fixture
def tag(cli: Docker, name: str) -> Iterator[str]:
    """A repository name whose images are removed after the test."""
    yield name
    if left := cli("ps", "-aq", "--filter", f"label={cli.label}").lines:
        cli("rm", "-f", *left)
    if left := cli("images", "-q", "--no-trunc", name).lines:
        cli("rmi", "-f", *set(left))


def small(tag: str, **config: object) -> ImageParts:
    """An image that no other test has: busybox and one file."""
    return ImageParts(
        [busybox_rootfs(), file_layer({"made-for": tag.encode()})], {"Cmd": ["cat", "/made-for"], **config}
    )


@pytest.mark.parametrize("compressed", [True, False])
def test_load_a_docker_archive(cli: Docker, tag: str, compressed: bool) -> None:
    parts = small(tag)
    data = docker_archive(parts, f"{tag}:1", f"{tag}:2")
    printed = cli("load", stdin=gzip.compress(data) if compressed else data).out
    assert printed.splitlines()[-2:] == [f"Loaded image: {tag}:1", f"Loaded image: {tag}:2"]
    assert cli("run", "--rm", f"{tag}:2").out == tag
    assert cli("image", "inspect", "-f", "{{.Id}}", f"{tag}:1").out == parts.id


def test_load_without_a_tag(cli: Docker, tag: str) -> None:
    parts = small(tag)
    assert cli("load", stdin=docker_archive(parts)).lines[-1] == f"Loaded image ID: {parts.id}"
    cli("rmi", parts.id)


def test_load_from_a_file(cli: Docker, tag: str, tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(docker_archive(small(tag), f"{tag}:1"))
    assert cli("load", "-q", "-i", str(tmp_path / "image.tar")).out == f"Loaded image: {tag}:1"


@pytest.mark.parametrize("compressed", [True, False])
def test_save_and_load_give_the_same_image(cli: Docker, tag: str, compressed: bool) -> None:
    parts = small(tag, Env=["PATH=/bin", "X=y"])
    cli("load", stdin=docker_archive(parts, f"{tag}:1"))
    saved = cli("save", f"{tag}:1").stdout
    files = members(saved)
    manifest = json.loads(files["manifest.json"])[0]
    assert manifest["RepoTags"] == [f"{tag}:1"]
    assert [digest(files[layer]) for layer in manifest["Layers"]] == [digest(layer) for layer in parts.layers]
    assert digest(files[manifest["Config"]]) == parts.id
    cli("rmi", f"{tag}:1")
    cli("load", stdin=gzip.compress(saved, 1) if compressed else saved)
    assert cli("image", "inspect", "-f", "{{.Id}}", f"{tag}:1").out == parts.id


def test_save_several(cli: Docker, tag: str, tmp_path: Path) -> None:
    for number in ("1", "2"):
        cli("load", stdin=docker_archive(small(tag + number), f"{tag}:{number}"))
    cli("save", "-o", str(tmp_path / "both.tar"), f"{tag}:1", f"{tag}:2")
    manifests = json.loads(members((tmp_path / "both.tar").read_bytes())["manifest.json"])
    assert sorted(entry["RepoTags"][0] for entry in manifests) == [f"{tag}:1", f"{tag}:2"]
    assert f"No such image: {tag}gone" in cli.fails("save", "-o", str(tmp_path / "none.tar"), tag + "gone")


DIGESTED = "broken@sha256:" + "1" * 64


def broken_archives() -> list[tuple[str, bytes, str]]:
    good = docker_archive(ImageParts(), "broken:1")
    config = ImageParts([file_layer({"never": b"stored"})]).image_config()
    no_layer = pack(
        [
            (entry("c.json", tarfile.REGTYPE, 0o644), config),
            (
                entry("manifest.json", tarfile.REGTYPE, 0o644),
                json.dumps([{"Config": "c.json", "RepoTags": ["broken:1"], "Layers": ["gone/layer.tar"]}]).encode(),
            ),
        ]
    )
    lying = docker_archive(ImageParts([file_layer({"x": b"one"})]), "broken:1").replace(b"one", b"two")
    return [
        ("truncated", good[: len(good) // 2], "unexpected EOF"),
        ("not a tar", b"this is not a tar" * 100, ""),
        ("empty", pack([]), ""),
        ("no layer", no_layer, "gone/layer.tar"),
        ("wrong digest", lying, "invalid"),
        ("another system", good.replace(b'"os": "linux"', b'"os": "plan9"'), "cannot load plan9 image on linux"),
        ("no tag", docker_archive(ImageParts(), "broken"), 'invalid tag "broken"'),
        ("a tag and a digest", docker_archive(ImageParts(), DIGESTED), f'invalid tag "{DIGESTED}"'),
        ("layers of none", good.replace(b'["0/layer.tar"]', b"[]             "), "expected 0, got 1"),
    ]


@pytest.mark.parametrize(
    ("what", "data", "message"), broken_archives(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_broken_archives(cli: Docker, what: str, data: bytes, message: str) -> None:
    before = cli("images", "-aq", "--no-trunc").lines
    assert message.lower() in cli.fails("load", stdin=data).lower()
    assert cli("images", "-aq", "--no-trunc").lines == before


def test_an_archive_of_thousands_of_names(cli: Docker, tag: str) -> None:
    """In seconds, while the engine goes on answering: each of them once cost as much as all before it."""
    parts = ImageParts([file_layer({tag: b"x"})])
    names = [f"{tag}:{number}" for number in range(2000)]
    assert len(cli("load", "-q", stdin=docker_archive(parts, *names)).lines) == 2000
    assert len(cli("images", "-q", tag).lines) == 2000
    cli("rmi", "-f", parts.id)
    assert not cli("images", "-q", tag).lines


@pytest.mark.parametrize(
    "member",
    [
        entry("../../../../../../tmp/pier-escaped", tarfile.REGTYPE, 0o644),
        entry("/tmp/pier-escaped", tarfile.REGTYPE, 0o644),
        entry("etc/../../../../tmp/pier-escaped", tarfile.REGTYPE, 0o644),
    ],
    ids=["up", "absolute", "through"],
)
def test_a_layer_cannot_leave_its_folder(cli: Docker, tag: str, member: tarfile.TarInfo) -> None:
    data = docker_archive(ImageParts([busybox_rootfs(), pack([(member, b"x")])]), f"{tag}:1")
    cli("load", stdin=data, code={0, 1})
    assert not Path("/tmp/pier-escaped").exists()


def test_links_of_a_lower_layer_do_not_lead_out(cli: Docker, tag: str) -> None:
    """``etc`` of the second layer is a link to the host's; the third writes below it."""
    link = pack([(entry("out", tarfile.SYMTYPE, 0o777, target="/tmp"), b"")])
    write = pack([(entry("out/pier-escaped", tarfile.REGTYPE, 0o644), b"x")])
    both = pack(
        [
            (entry("too", tarfile.SYMTYPE, 0o777, target="/tmp"), b""),
            (entry("too/pier-escaped", tarfile.REGTYPE, 0o644), b"x"),
        ]
    )
    cli("load", stdin=docker_archive(ImageParts([busybox_rootfs(), link, write, both]), f"{tag}:1"), code={0, 1})
    assert not Path("/tmp/pier-escaped").exists()


def test_whiteouts_hide(cli: Docker, tag: str) -> None:
    layers = [
        busybox_rootfs(),
        file_layer({"d/": b"", "d/a": b"a", "d/b": b"b", "e/": b"", "e/a": b"a"}),
        file_layer({"d/.wh.a": b"", "e/.wh..wh..opq": b"", "e/c": b"c"}),
    ]
    cli("load", stdin=docker_archive(ImageParts(layers), f"{tag}:1"))
    assert cli("run", "--rm", f"{tag}:1", "sh", "-c", "ls -A /d /e").out == "/d:\nb\n\n/e:\nc"


def test_import_for_another_system(cli: Docker, tag: str) -> None:
    refused = cli.fails("import", "--platform", "windows/amd64", "-", tag, stdin=file_layer({"x": b"x"}))
    assert refused == "Error response from daemon: operating system is not supported"


def test_import(cli: Docker, tag: str, tmp_path: Path) -> None:
    changes = ("-c", 'CMD ["id","-u"]', "-c", "USER web", "-c", "ENV A=b C=d", "-c", "EXPOSE 80", "-c", "WORKDIR /data")
    printed = cli("import", *changes, "-m", "why not", "-", f"{tag}:1", stdin=busybox_rootfs()).out
    assert re.fullmatch("sha256:[0-9a-f]{64}", printed)
    shown = json.loads(cli("image", "inspect", f"{tag}:1").out)[0]
    assert shown["Config"]["Cmd"] == ["id", "-u"]
    assert shown["Config"]["User"] == "web"
    assert {"A=b", "C=d"} <= set(shown["Config"]["Env"])
    assert shown["Config"]["ExposedPorts"] == {"80/tcp": {}}
    assert shown["Config"]["WorkingDir"] == "/data"
    assert cli("run", "--rm", f"{tag}:1").out == "1000"
    (tmp_path / "rootfs.tgz").write_bytes(gzip.compress(busybox_rootfs(), 1))
    cli("import", str(tmp_path / "rootfs.tgz"), f"{tag}:2")
    assert cli("run", "--rm", f"{tag}:2", "echo", "hi").out == "hi"


def test_tags_and_removal(cli: Docker, tag: str) -> None:
    parts = small(tag)
    cli("load", stdin=docker_archive(parts, f"{tag}:1"))
    cli("tag", f"{tag}:1", f"{tag}:again")
    cli("tag", parts.id, f"{tag}:by-id")
    assert sorted(cli("images", "--format", "{{.Tag}}", tag).lines) == ["1", "again", "by-id"]
    assert cli("rmi", f"{tag}:again").out == f"Untagged: {tag}:again"
    message = cli.fails("rmi", parts.id)
    assert "(must be forced) - image is referenced in multiple repositories" in message or "conflict" in message
    cli("rmi", f"{tag}:by-id")
    lines = cli("rmi", f"{tag}:1").lines
    assert lines[0] == f"Untagged: {tag}:1"
    assert f"Deleted: {parts.id}" in lines
    assert f"No such image: {tag}:1" in cli.fails("rmi", f"{tag}:1")
    assert f"No such image: {tag}:1" in cli.fails("tag", f"{tag}:1", f"{tag}:2")


def test_layers_are_shared(cli: Docker, tag: str) -> None:
    """Removing one image keeps the layers that the other has."""
    common = file_layer({"common": tag.encode()})
    first = ImageParts([busybox_rootfs(), common, file_layer({"mine": b"1"})])
    second = ImageParts([busybox_rootfs(), common, file_layer({"mine": b"2"})])
    cli("load", stdin=docker_archive(first, f"{tag}:1"))
    cli("load", stdin=docker_archive(second, f"{tag}:2"))
    cli("rmi", f"{tag}:1")
    assert cli("run", "--rm", f"{tag}:2", "cat", "/common", "/mine").out == tag + "2"


def test_an_image_in_use(cli: Docker, tag: str, name: str) -> None:
    parts = small(tag)
    cli("load", stdin=docker_archive(parts, f"{tag}:1"))
    short = parts.id.removeprefix("sha256:")[:12]
    holder = cli("run", "-d", "--name", name, f"{tag}:1", "sleep", "1000").out[:12]
    message = cli.fails("rmi", f"{tag}:1")
    assert f'unable to remove repository reference "{tag}:1" (must force) - container {holder} is using' in message
    message = cli.fails("rmi", "-f", short)
    assert f"(cannot be forced) - image is being used by running container {holder}" in message
    cli("stop", "-t", "0", name)
    message = cli.fails("rmi", short)
    assert f"(must be forced) - image is being used by stopped container {holder}" in message
    assert cli("ps", "-a", "--filter", f"ancestor={tag}:1", "--format", "{{.Names}}").out == name


def test_images_table_and_filters(cli: Docker, tag: str) -> None:
    cli("load", stdin=docker_archive(small(tag, Labels={"x": tag}), f"{tag}:1"))
    header, row = cli("images", tag).lines
    assert header.split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert row.split()[:2] == [tag, "1"]
    assert cli("images", "--filter", f"label=x={tag}", "--format", "{{.Repository}}:{{.Tag}}").out == f"{tag}:1"
    assert cli("images", "--filter", f"reference={tag}*", "-q").lines == cli("images", "-q", tag).lines
    cli("tag", f"{tag}:1", f"{tag}/other:2")
    assert cli("images", tag, "--format", "{{.Repository}}:{{.Tag}}").out == f"{tag}:1", "names that fit, and no other"
    assert cli("images", f"{tag}/*", "--format", "{{.Repository}}:{{.Tag}}").out == f"{tag}/other:2"
    cli("rmi", f"{tag}/other:2")
    assert "<none>" in cli("images", "--digests", tag).out
    assert "invalid filter 'nonsense'" in cli.fails("images", "--filter", "nonsense=1")


def test_history(cli: Docker, tag: str) -> None:
    parts = small(tag)
    cli("load", stdin=docker_archive(parts, f"{tag}:1"))
    rows = [json.loads(line) for line in cli("history", "--no-trunc", "--format", "{{json .}}", f"{tag}:1").lines]
    assert [row["CreatedBy"] for row in rows] == ["layer 1", "layer 0"]
    assert [row["ID"] for row in rows] == [parts.id, "<missing>"]
    assert "No such image" in cli.fails("history", tag + "gone")


def test_inspect(cli: Docker, tag: str) -> None:
    parts = small(tag, Labels={"a": "b"}, Volumes={"/v": {}}, StopSignal="SIGINT")
    cli("load", stdin=docker_archive(parts, f"{tag}:1"))
    shown = json.loads(cli("image", "inspect", f"{tag}:1").out)[0]
    assert shown["Id"] == parts.id
    assert shown["RepoTags"] == [f"{tag}:1"]
    assert (shown["Os"], shown["Architecture"]) == ("linux", "amd64")
    assert shown["RootFS"]["Layers"] == [digest(layer) for layer in parts.layers]
    assert shown["Config"]["StopSignal"] == "SIGINT"
    assert shown["GraphDriver"]["Name"] == "overlay2"
    assert Path(shown["GraphDriver"]["Data"]["UpperDir"]).name == "diff"
    assert shown["Size"] > 1_000_000
    assert shown["Created"].startswith("2024-01-02T03:04:05.678")


def test_prune_takes_what_has_no_name(cli: Docker, tag: str) -> None:
    first, second = small(tag, Labels={"p": tag}), small(tag + "2", Labels={"p": tag})
    cli("load", stdin=docker_archive(first, f"{tag}:1"))
    cli("load", stdin=docker_archive(second, f"{tag}:1"))
    assert cli("images", "-q", "--no-trunc", "--filter", "dangling=true", "--filter", f"label=p={tag}").out == first.id
    printed = cli("image", "prune", "-f", "--filter", f"label=p={tag}").out
    assert f"deleted: {first.id}" in printed
    assert "Total reclaimed space:" in printed
    printed = cli("image", "prune", "-a", "-f", "--filter", f"label=p={tag}").out
    assert f"untagged: {tag}:1" in printed


@pytest.mark.parametrize("bad", ["UPPER", "a//b", "x:y:z", "", ":tag"])
def test_bad_references(cli: Docker, bad: str) -> None:
    message = cli.fails("tag", IMAGE, bad)
    assert "invalid reference format" in message or "not a valid repository/tag" in message


def test_entrypoint_volumes_and_ports_of_the_image_count(cli: Docker, tag: str, name: str) -> None:
    config = {"Entrypoint": ["echo", "-n"], "Cmd": ["default"], "Volumes": {"/v": {}}, "ExposedPorts": {"99/tcp": {}}}
    cli("load", stdin=docker_archive(small(tag, **config), f"{tag}:1"))
    assert cli("run", "--rm", f"{tag}:1").stdout == b"default"
    assert cli("run", "--rm", f"{tag}:1", "other").stdout == b"other"
    cli("create", "--name", name, f"{tag}:1")
    shown = json.loads(cli("inspect", name).out)[0]
    assert shown["Config"]["ExposedPorts"] == {"99/tcp": {}}
    assert [mount["Destination"] for mount in shown["Mounts"]] == ["/v"]


def test_commit(cli: Docker, tag: str, name: str) -> None:
    cli("run", "--name", name, "-e", "A=b", IMAGE, "sh", "-c", "echo kept >/kept; rm /www/index.html")
    made = cli("commit", "-c", 'CMD ["cat","/kept"]', "-m", "why", "-a", "who", name, f"{tag}:1").out
    assert cli("run", "--rm", f"{tag}:1").out == "kept"
    assert cli("run", "--rm", f"{tag}:1", "ls", "/www").out == ""
    shown = json.loads(cli("image", "inspect", f"{tag}:1").out)[0]
    assert (shown["Id"], shown["Comment"], shown["Author"]) == (made, "why", "who")
    assert "A=b" in shown["Config"]["Env"]
