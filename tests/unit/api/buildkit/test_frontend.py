"""From the options of BuildKit's Dockerfile frontend to a request."""

from typing import Any

import pytest

from pier.api.buildkit.exporters import outputs
from pier.api.buildkit.frontend import build_request
from pier.api.buildkit.proto import control_pb2, gateway_pb2, llb_pb2
from pier.api.buildkit.results import definition, identifier_of, refuse_definition
from pier.build.request import BuildRequest, CacheSpec, Limits, Output, Ulimit
from pier.errors import InvalidArgument, PierError, Unsupported


def request(
    job: control_pb2.SolveRequest | None = None, frontend: str = "dockerfile.v0", **options: str
) -> BuildRequest:
    given = {name.replace("__", ":").replace("_", "-"): value for name, value in options.items()}
    solve = gateway_pb2.SolveRequest(Frontend=frontend, FrontendOpt=given)
    return build_request(job or control_pb2.SolveRequest(Ref="r"), solve)


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ({}, "context", "local:context"),
        ({}, "dockerfile_context", "local:dockerfile"),
        ({"filename": "a/D"}, "dockerfile", "a/D"),
        ({"context": "https://host/x.git#main:sub"}, "context", "https://host/x.git#main:sub"),
        ({"context": "https://host/x.git"}, "dockerfile_context", ""),
        ({"context": "https://host/x.git", "dockerfilekey": "dockerfile"}, "dockerfile_context", "local:dockerfile"),
        ({"context": "http://buildkit-session/abc"}, "context", "upload:abc"),
        ({"contextkey": "other", "other": "http://host/c.tar"}, "context", "http://host/c.tar"),
        ({"target": "t"}, "target", "t"),
        ({"build-arg:A": "1", "build-arg:B": ""}, "build_args", {"A": "1", "B": ""}),
        ({"label:l": "v"}, "labels", {"l": "v"}),
        ({"no-cache": ""}, "no_cache", True),
        ({"no-cache": "a,b"}, "no_cache", False),
        ({"no-cache": "a,b"}, "no_cache_filter", ("a", "b")),
        ({"image-resolve-mode": "pull"}, "pull", True),
        ({"image-resolve-mode": "local"}, "pull", False),
        ({"platform": "linux/amd64,linux/arm64"}, "platforms", ("linux/amd64", "linux/arm64")),
        ({"force-network-mode": "host"}, "network", "host"),
        ({"force-network-mode": "sandbox"}, "network", "default"),
        ({"add-hosts": "a=1.2.3.4,b=::1"}, "extra_hosts", ("a:1.2.3.4", "b:::1")),
        ({"shm-size": "1024", "cgroup-parent": "/x"}, "limits", Limits(shm_size=1024, cgroup_parent="/x")),
        ({"ulimit": "n=1:2,c=0"}, "limits", Limits(ulimits=(Ulimit("n", 1, 2), Ulimit("c", 0, 0)))),
        ({"build-arg:SOURCE_DATE_EPOCH": "17"}, "source_date_epoch", 17),
        ({"cache-from": "a"}, "cache_from", (CacheSpec("registry", {"ref": "a"}),)),
        ({"cache-imports": '[{"Type":"x","Attrs":{"s":"/"}}]'}, "cache_from", (CacheSpec("x", {"s": "/"}),)),
        ({"context:base": "docker-image://busybox"}, "contexts", {"base": "docker-image://busybox"}),
        ({"attest:provenance": "mode=min"}, "labels", {}),
    ],
)  # fmt: skip
def test_options(options: dict[str, str], field: str, value: Any) -> None:
    solve = gateway_pb2.SolveRequest(Frontend="dockerfile.v0", FrontendOpt=options)
    assert getattr(build_request(control_pb2.SolveRequest(Ref="r"), solve), field) == value


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"force-network-mode": "x"}, InvalidArgument, "invalid netmode x"),
        ({"image-resolve-mode": "x"}, InvalidArgument, "invalid image-resolve-mode: x"),
        ({"shm-size": "x"}, InvalidArgument, "failed to parse shm size"),
        ({"ulimit": "nofile"}, InvalidArgument, "invalid ulimit argument: nofile"),
        ({"build-arg:SOURCE_DATE_EPOCH": "x"}, InvalidArgument, "invalid SOURCE_DATE_EPOCH: x"),
        ({"cache-imports": "{"}, InvalidArgument, "failed to unmarshal cache-imports"),
        ({"context:base": "input:base"}, InvalidArgument, "invalid input base"),
        ({"contextsubdir": "x"}, Unsupported, "contextsubdir is not supported"),
    ],
)
def test_refused_options(options: dict[str, str], kind: type[PierError], text: str) -> None:
    solve = gateway_pb2.SolveRequest(Frontend="dockerfile.v0", FrontendOpt=options)
    with pytest.raises(kind, match=text):
        build_request(control_pb2.SolveRequest(Ref="r"), solve)


def test_what_the_job_brings() -> None:
    job = control_pb2.SolveRequest(Ref="r", Entitlements=["network.host"])
    job.Cache.Exports.add(Type="inline")
    job.Cache.Imports.add(Type="registry", Attrs={"ref": "x"})
    made = request(job, cache_imports='[{"Type":"registry","Attrs":{"ref":"x"}}]')
    assert made.id == "r"
    assert made.entitlements == ("network.host",)
    assert made.cache_to == (CacheSpec("inline"),)
    assert made.cache_from == (CacheSpec("registry", {"ref": "x"}),)


@pytest.mark.parametrize(("frontend", "source"), [("dockerfile.v0", ""), ("gateway.v0", "docker/dockerfile:1.4")])
def test_known_frontends(frontend: str, source: str) -> None:
    assert request(frontend=frontend, source=source).dockerfile == "Dockerfile"


@pytest.mark.parametrize(("frontend", "source"), [("other.v0", ""), ("gateway.v0", "somebody/frontend")])
def test_other_frontends_are_refused(frontend: str, source: str) -> None:
    with pytest.raises(Unsupported, match=r"only dockerfile\.v0 is"):
        request(frontend=frontend, source=source)


def test_a_result_comes_back_as_an_input() -> None:
    solve = gateway_pb2.SolveRequest(Frontend="dockerfile.v0", FrontendOpt={"context:base": "input:base"})
    solve.FrontendInputs["base"].CopyFrom(definition("docker-image://sha256:1"))
    made = build_request(control_pb2.SolveRequest(Ref="r"), solve)
    assert made.contexts == {"base": "docker-image://sha256:1"}


def test_other_definitions_are_refused() -> None:
    given = llb_pb2.Definition()
    getattr(given, "def").append(llb_pb2.Op(inputs=[llb_pb2.Input()]).SerializeToString())
    with pytest.raises(Unsupported, match="LLB"):
        identifier_of(given)
    with pytest.raises(Unsupported, match="LLB"):
        refuse_definition(given)


@pytest.mark.parametrize(
    ("exporters", "expected"),
    [
        ([], (Output("image", {"store": "false"}),)),
        ([("moby", {"name": "a,b", "push": "true"})], (Output("image", {"name": "a,b"}),)),
        ([("image", {"name": "a", "push": "true"})], (Output("image", {"name": "a", "push": "true"}),)),
        ([("docker", {"name": "a"})], (Output("docker", {"name": "a", "dest": "-"}),)),
        ([("local", {}), ("oci", {})], (Output("local"), Output("oci"))),
    ],
)
def test_exporters(exporters: list[tuple[str, dict[str, str]]], expected: tuple[Output, ...]) -> None:
    job = control_pb2.SolveRequest()
    for kind, attributes in exporters:
        job.Exporters.add(Type=kind, Attrs=attributes)
    assert outputs(job) == expected


def test_the_exporter_as_old_clients_name_it() -> None:
    job = control_pb2.SolveRequest(ExporterDeprecated="tar", ExporterAttrsDeprecated={"a": "b"})
    assert outputs(job) == (Output("tar", {"a": "b"}),)


def test_an_exporter_that_is_not_there() -> None:
    job = control_pb2.SolveRequest()
    job.Exporters.add(Type="else")
    with pytest.raises(Unsupported):
        outputs(job)
