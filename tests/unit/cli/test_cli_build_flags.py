"""``build``'s flags: outputs, caches, secrets, contexts, and what is refused before the engine is asked."""

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from pier.cli.build import fields
from pier.cli.build.contexts import Contexts, is_archive
from pier.cli.build.request import request_of
from pier.cli.build.sinks import File, Folder
from pier.cli.call import Call
from pier.cli.command import Failure
from pier.cli.main import main
from pier.cli.parse import parse_flags
from pier.cli.tree import find
from pier.client.build import Offers
from pier.client.buildfolder import Selection, walk
from pier.errors import DataCorrupted

Json = dict[str, Any]


@pytest.mark.parametrize(
    ("text", "kind", "attributes"),
    [
        ("out", "local", {"dest": "out"}),
        ("-", "tar", {"dest": "-"}),
        ("type=tar,dest=x.tar", "tar", {"dest": "x.tar"}),
        ("type=oci", "oci", {"dest": "-"}),
        ("type=docker", "docker", {}),
        ("type=registry", "image", {"push": "true"}),
        ('type=image,"name=a,b",push=true', "image", {"name": "a,b", "push": "true"}),
        ("type=image,annotation.A.B=c", "image", {"annotation.A.B": "c"}),
    ],
)
def test_outputs(text: str, kind: str, attributes: Json) -> None:
    assert fields.output(text) == {"type": kind, "attributes": attributes}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("type=local", "dest is required for local exporter"),
        ("dest=x", "type is required for output"),
        ("type=local,x", "invalid value x"),
    ],
)
def test_outputs_that_are_none(text: str, said: str) -> None:
    with pytest.raises(Failure, match=said):
        fields.output(text)


def test_push_and_load() -> None:
    pushed = {"type": "image", "attributes": {"push": "true"}}
    assert fields.outputs([], push=True, load=False, annotations=[]) == [pushed]
    assert fields.outputs(["type=image"], push=True, load=False, annotations=[]) == [pushed]
    assert fields.outputs([], push=False, load=True, annotations=[]) == [{"type": "docker", "attributes": {}}]
    annotated = fields.outputs([], push=False, load=False, annotations=["a=b", "index:c=d"])
    assert annotated == [{"type": "image", "attributes": {"annotation.a": "b", "annotation-index.c": "d"}}]


def test_caches() -> None:
    assert fields.cache("user/app:cache", taking=True) == {"type": "registry", "attributes": {"ref": "user/app:cache"}}
    with pytest.raises(Failure, match="src is required"):
        fields.cache("type=local", taking=True)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("id=a,src=b", {"id": "a", "src": "b"}),
        ("id=a,env=B", {"id": "a", "type": "env", "src": "B"}),
        ("type=env,id=a", {"type": "env", "id": "a"}),
    ],
)
def test_secrets(text: str, found: Json) -> None:
    assert fields.secret(text) == found


@pytest.mark.parametrize(
    ("flag", "text", "refused"),
    [
        ("provenance", "false", False),
        ("sbom", "0", False),
        ("provenance", "mode=max", True),
        ("attest", "type=sbom", True),
        ("attest", "type=sbom,disabled=true", False),
    ],
)
def test_attestations(flag: str, text: str, refused: bool) -> None:
    assert bool(fields.refused_attestation(flag, text)) == refused


def request(*argv: str) -> tuple[Json, Offers]:
    path, command, rest = find(["build", *argv])
    assert command is not None
    parsed = parse_flags(command.flags, rest, command.interspersed)
    offers = Offers()
    call = Call(path, command, parsed.values, parsed.args, {"config": "/nonexistent"})
    return request_of(call, offers)[0], offers


def test_a_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_HERE", "1")
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    flags = ["-t", "a:b", "--build-arg", "FROM_HERE", "--build-arg", "NOWHERE", "--build-arg", "X=y=z"]
    flags += ["--platform", "linux/amd64,linux/arm64", "--ulimit", "nofile=1:2", "-m", "64m", "--network", "host"]
    made, offers = request(*flags, str(tmp_path))
    assert made["build_args"] == {"FROM_HERE": "1", "X": "y=z"}
    assert made["platforms"] == ["linux/amd64", "linux/arm64"]
    assert made["limits"] == {"memory": 64 << 20, "ulimits": [{"name": "nofile", "soft": 1, "hard": 2}]}
    assert made["entitlements"] == ["network.host"]
    assert (made["tags"], made["context"], made["dockerfile"]) == (["a:b"], "local:context", "Dockerfile")
    assert offers.folders == {"context": str(tmp_path)}


def test_the_engine_understands_it(tmp_path: Path) -> None:
    import msgspec

    from pier.build.request import BuildRequest

    made, _ = request("-t", "a", "-o", "type=oci,dest=x", "--cache-from", "r", "--ulimit", "core=1", str(tmp_path))
    assert msgspec.convert(made, BuildRequest).outputs[0].type == "oci"


def placed(context: Path, dockerfile: str) -> tuple[Json, Offers]:
    made: Json = {}
    offers = Offers()
    Contexts(made, offers).main(str(context), dockerfile)
    return made, offers


def test_where_the_dockerfile_is(tmp_path: Path) -> None:
    context, other = tmp_path / "context", tmp_path / "other"
    for folder in (context / "sub", other):
        folder.mkdir(parents=True)
        (folder / "D").write_text("FROM scratch\n")
    (context / "link").symlink_to(other / "D")
    assert placed(context, str(context / "sub/D"))[0]["dockerfile"] == "sub/D"
    made, offers = placed(context, str(other / "D"))
    assert (made["dockerfile"], made["dockerfile_context"]) == ("D", "local:dockerfile")
    assert offers.folders["dockerfile"] == str(other)
    assert placed(context, str(context / "link"))[1].folders["dockerfile"] == str(other)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["/nonexistent"], 'ERROR: unable to prepare context: path "/nonexistent" not found'),
        (["-f", "-", "-"], "ERROR: invalid argument: can't use stdin for both build context and dockerfile"),
        (["-t", "a b", "."], 'ERROR: invalid tag "a b": invalid reference format'),
        (["--allow", "foo", "."], "ERROR: unknown entitlement foo"),
        (["--secret", "id=a,src=/nope", "."], "ERROR: failed to stat /nope: stat /nope: no such file or directory"),
        (["--build-context", "foo", "."], "ERROR: invalid context value: foo, expected key=value"),
        (["--cache-from", "type=", "."], 'ERROR: type required form> "type="'),
    ],
)
def test_refused_at_once(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-H", "unix:///nonexistent.sock", "build", *argv]) == 1
    assert capsys.readouterr().err.splitlines()[0] == said


def test_archives_are_known() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("x"))
    assert is_archive(packed.getvalue()[:512])
    assert is_archive(b"\x1f\x8b\x08")
    assert not is_archive(b"FROM scratch\n" * 100)
    assert not is_archive(b"")


def test_what_is_sent_of_a_folder(tmp_path: Path) -> None:
    for name in ("a/x", "a/y", "b/deep/z", "c", "node_modules/m"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)

    def sent(paths: list[str], exclude: list[str]) -> list[str]:
        return [entry[0] for entry in walk(str(tmp_path), Selection(paths, exclude))]

    assert sent([], ["node_modules"]) == ["a", "a/x", "a/y", "b", "b/deep", "b/deep/z", "c"]
    assert sent(["b/deep/z"], []) == ["b", "b/deep", "b/deep/z"]
    assert sent(["a"], ["**/y"]) == ["a", "a/x"]
    assert sent([], ["a", "!a/x", "b", "c", "node_modules"]) == ["a", "a/x"]
    assert sent(["a*"], ["a/*"]) == ["a"]


def packed(*entries: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_a_folder_is_unpacked_below_itself(tmp_path: Path) -> None:
    sink = Folder(str(tmp_path / "out"))
    sink.write(packed(("a/b", b"1")))
    sink.finish()
    assert (tmp_path / "out/a/b").read_bytes() == b"1"
    hostile = Folder(str(tmp_path / "out"))
    hostile.write(packed(("../x", b"1")))
    with pytest.raises(DataCorrupted, match="outside"):
        hostile.finish()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    sink = File(str(tmp_path / "x.tar"))
    sink.write(b"half")
    sink.abort()
    assert list(tmp_path.iterdir()) == []
    sink = File(str(tmp_path / "x.tar"))
    sink.write(b"all")
    sink.finish()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"all"]
